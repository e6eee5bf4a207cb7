import { open } from "node:fs/promises";
import { join } from "node:path";
import { CardwireError } from "../domain/errors.ts";

/** Longest path of a Unix socket on Linux, in bytes: `sun_path` has 108, the last for NUL (unix(7)). */
export const MAX_SOCKET_PATH_BYTES = 107;

export function fitsSocketPath(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
}

/**
 * Node.js 20 cuts a longer path silently and then uses a different file (nodejs/node#52347).
 *
 * @throws {CardwireError} `E_SOCKET_PATH` when `path` is too long, empty or holds a NUL.
 */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes === 0 || path.includes("\0")) {
    throw new CardwireError("E_SOCKET_PATH", `${JSON.stringify(path)} is not the path of a socket`);
  }
  if (bytes <= MAX_SOCKET_PATH_BYTES) return;
  throw new CardwireError(
    "E_SOCKET_PATH",
    `the socket path ${path} has ${bytes} bytes, and Linux takes ${MAX_SOCKET_PATH_BYTES}`,
    { hint: "Choose a shorter path, or a shorter name for the attachment." },
  );
}

/** Runs `action` with a path to a socket's place in a directory that is short enough, however long the directory's is. */
export async function withSocketPath<T>(
  directory: string,
  name: string,
  action: (path: string) => Promise<T>,
): Promise<T> {
  const plain = join(directory, name);
  if (fitsSocketPath(plain)) return await action(plain);
  const handle = await open(directory);
  try {
    return await action(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}
