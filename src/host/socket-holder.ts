import { lstat } from "node:fs/promises";
import { dial } from "./dial.ts";
import { errorCode } from "./error-code.ts";
import { peerCredentials, processName } from "./peer-credentials.ts";

/** What is at the place of a Unix socket. */
export type SocketPlace =
  /** Nothing, a file that is no socket, or a socket at which nobody listens. */
  | { readonly state: "free" | "other" | "stale" }
  /** A socket with a listener: the process that called listen(), where the kernel's answer can be read. */
  | {
      readonly state: "live";
      readonly holder: SocketHolder | undefined;
      /** Why the listener could not be asked: its queue is full. */
      readonly cause?: unknown;
    };

export interface SocketHolder {
  readonly pid: number;
  /** What it was started as; undefined when it is gone or hidden. */
  readonly name: string | undefined;
}

/** How long the holder of a socket may take to accept our probe, ms. A connect to a Unix socket only waits for a full queue. */
const PROBE_MS = 1_000;

/**
 * Looks at the place of a socket, and connects to a socket that is there.
 *
 * @throws {Error} the system's own error when it cannot be looked at (`EACCES`, `ENOTDIR`, …).
 */
export async function lookAtSocket(path: string): Promise<SocketPlace> {
  try {
    if (!(await lstat(path)).isSocket()) return { state: "other" };
    const socket = await dial(path, { signal: AbortSignal.timeout(PROBE_MS) });
    const peer = peerCredentials(socket);
    socket.destroy();
    const holder = peer && { pid: peer.pid, name: await processName(peer.pid) };
    return { state: "live", holder };
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT") return { state: "free" };
    if (code === "ECONNREFUSED") return { state: "stale" };
    if (code === "ECONNRESET") return await lookAtSocket(path); // it ended just now
    // A live listener that does not take us in time: its queue is full.
    if (cause instanceof Error && cause.name === "TimeoutError")
      return { state: "live", holder: undefined, cause };
    throw cause;
  }
}

/** ` by process 1 (systemd)`, as far as that is known. */
export function byHolder(holder: SocketHolder | undefined): string {
  if (holder === undefined) return "";
  const name = holder.name === undefined ? "" : ` (${holder.name})`;
  return ` by process ${holder.pid}${name}`;
}
