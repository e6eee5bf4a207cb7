import { readdir, readFile, readlink } from "node:fs/promises";
import { processName } from "./peer-credentials.ts";
import type { SocketHolder } from "./socket-holder.ts";

/** The state of a socket that listens, in /proc/net/tcp. */
const LISTENING = "0A";

/**
 * The process that listens at a TCP port of this computer, as far as /proc lets us see: one of our own, or any for root.
 * Undefined when nobody does, or nobody that we see.
 */
export async function portHolder(port: number): Promise<SocketHolder | undefined> {
  const inode = (await Promise.all(["tcp", "tcp6"].map((table) => listener(table, port)))).find(
    (found) => found !== undefined,
  );
  if (inode === undefined) return undefined;
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  for (const pid of processes)
    if (await holds(pid, `socket:[${inode}]`))
      return { pid: Number(pid), name: await processName(Number(pid)) };
  return undefined;
}

/** The inode of the socket that listens at a port, from /proc/net (proc(5)). */
async function listener(table: string, port: number): Promise<string | undefined> {
  const text = await readFile(`/proc/net/${table}`, "latin1").catch(() => ""); // without IPv6 there is no tcp6
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of text.split("\n")) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === LISTENING && local.endsWith(`:${wanted}`)) return inode;
  }
  return undefined;
}

async function holds(pid: string, target: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const numbers = await readdir(folder).catch(() => []); // it has ended, or is somebody else's
  for (const number of numbers)
    if ((await readlink(`${folder}/${number}`).catch(() => "")) === target) return true;
  return false;
}
