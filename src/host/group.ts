import { execFile } from "node:child_process";
import { chown, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";

/**
 * A group's number, by its name or written as a number. Asks the system's directory services (`getent`), and
 * /etc/group where there is no getent.
 *
 * @throws {CardwireError} `E_GROUP` when there is no such group.
 */
export async function groupId(group: string): Promise<number> {
  if (/^\d{1,10}$/.test(group)) return Number(group);
  const line = /^[^-:\s][^:\s]*$/.test(group) ? await entry(group) : undefined;
  const gid = line?.split(":")[2];
  if (gid !== undefined && /^\d+$/.test(gid)) return Number(gid);
  throw new CardwireError("E_GROUP", `there is no group ${JSON.stringify(group)} here`, {
    hint: "'getent group' lists them; 'sudo groupadd NAME' makes one.",
  });
}

/** @throws {CardwireError} `E_GROUP` when the group is not one of ours. */
export async function giveToGroup(path: string, gid: number, group: string): Promise<void> {
  try {
    await chown(path, -1, gid);
  } catch (cause) {
    if (errorCode(cause) !== "EPERM") throw cause;
    throw new CardwireError("E_GROUP", `you are not a member of the group ${group}`, {
      cause,
      hint: `Join it with 'sudo usermod -aG ${group} "$USER"' and log in again.`,
    });
  }
}

/** Names of groups that a socket of ours could be given to: our own, or all where we are root. */
export async function groupNames(): Promise<readonly string[]> {
  const own = new Set([process.getgid?.(), ...(process.getgroups?.() ?? [])]);
  const isRoot = process.getuid?.() === 0;
  const text = await readFile("/etc/group", "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => line.split(":"));
  return lines
    .filter(([name, , gid]) => name && gid !== undefined && (isRoot || own.has(Number(gid))))
    .map(([name = ""]) => name);
}

async function entry(group: string): Promise<string | undefined> {
  try {
    return (await promisify(execFile)("getent", ["group", "--", group])).stdout;
  } catch {
    // Not found, or no getent (musl's has fewer options): the file decides.
    const all = await readFile("/etc/group", "utf8").catch(() => "");
    return all.split("\n").find((line) => line.startsWith(`${group}:`));
  }
}
