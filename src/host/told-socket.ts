import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { dial } from "./dial.ts";
import { errorCode } from "./error-code.ts";
import { publishSocket } from "./unix-socket.ts";

// What a running process tells this user's other processes about itself.

const NAME = "status";
/** Who asks and does not read is let go, ms. */
const READING_MS = 5_000;
/** How many may ask at once. */
const MAX_ASKING = 16;

/**
 * Tells whoever of this user asks, until it is disposed.
 *
 * @param directory of ours, where the socket goes.
 * @param tell what there is to tell now; never rejects.
 * @throws {CardwireError} why there can be no socket.
 */
export async function tellAt(
  directory: string,
  tell: () => Promise<string>,
): Promise<AsyncDisposable> {
  const server = createServer((socket) => {
    socket.on("error", () => {}); // who asked is gone
    socket.setTimeout(READING_MS, () => socket.destroy());
    socket.resume();
    void tell().then((told) => socket.end(told)); // never rejects
  });
  server.maxConnections = MAX_ASKING;
  return await publishSocket(server, { path: join(directory, NAME), mode: 0o600 });
}

/** Asks the process whose directory that is. @returns undefined where none tells. @throws the signal's reason. */
export async function askAt(
  directory: string,
  { signal }: { signal: AbortSignal },
): Promise<string | undefined> {
  try {
    const socket = await dial(join(directory, NAME), { signal });
    const abort = () => socket.destroy(new Error("it takes too long"));
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await text(socket);
    } finally {
      signal.removeEventListener("abort", abort);
      socket.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}
