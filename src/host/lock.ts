import { createHash } from "node:crypto";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { type Held, isHeld, takePlace } from "./lock-place.ts";

/** Longest wait for another process, ms. What is done under a lock takes a few system calls. */
const WAIT_MS = 2_000;
const POLL_MS = 10;

/** What the system says where no socket can be made: a read-only directory, a file system without them, no space. */
const NO_PLACE: ReadonlySet<string> = new Set(
  "EACCES EPERM EROFS ENOTSUP EOPNOTSUPP EINVAL ENOSPC EDQUOT".split(" "),
);

/**
 * Runs `action` while no other process of this user runs one for the same path, at which there need be nothing.
 *
 * The lock is a socket, which the kernel closes with its process. In a directory that is this user's, and in which
 * nobody else may write, it is beside `path` (`.NAME.lock`), out of everybody else's reach. A directory in which others
 * may write protects nothing: they could take `path` itself. There, and where no socket can be made, it is a name in
 * Linux's abstract namespace (unix(7)), which holds among the processes of one network namespace.
 *
 * @param path absolute, without symbolic links above its last part.
 * @throws {CardwireError} `E_LOCKED` when another process holds it for longer than two seconds.
 */
export async function withLock<T>(path: string, action: () => Promise<T>): Promise<T> {
  const lock = await acquire(path);
  try {
    return await action();
  } finally {
    await lock.release();
  }
}

/**
 * Keeps a lock of the same kind until it is disposed.
 *
 * @returns undefined when another process has it; nothing is waited for.
 */
export async function holdLock(path: string): Promise<AsyncDisposable | undefined> {
  const lock = await tryToAcquire(path);
  if (!lock) return undefined;
  lock.unref(); // it holds nobody up
  return { [Symbol.asyncDispose]: () => lock.release() };
}

async function acquire(path: string): Promise<Held> {
  for (const until = performance.now() + WAIT_MS; ; ) {
    const lock = await tryToAcquire(path);
    if (lock) return lock;
    if (performance.now() > until) {
      throw new CardwireError("E_LOCKED", `another cardwire is busy with ${path}`, {
        hint: "Try again in a moment.",
      });
    }
    await delay(POLL_MS);
  }
}

/** @returns undefined when another process has it. */
async function tryToAcquire(path: string): Promise<Held | undefined> {
  const place = join(dirname(path), `.${basename(path)}.lock`);
  if (!(await isClosed(dirname(path)))) return await takeName(path);
  try {
    return await takePlace(place);
  } catch (error) {
    if (!NO_PLACE.has(errorCode(error) ?? "")) throw error;
    // That holds for every process of ours, but that there is no space: one may have taken the place before.
    return (await isHeld(place)) ? undefined : await takeName(path);
  }
}

/** Whether a directory is this user's, and nobody else may write in it. */
async function isClosed(directory: string): Promise<boolean> {
  const found = await stat(directory).catch(() => undefined); // not there
  return found !== undefined && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}

async function takeName(path: string): Promise<Held | undefined> {
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 32);
  const server = createServer((caller) => caller.destroy());
  server.listen(`\0cardwire:${process.getuid?.() ?? 0}:${hash}`);
  try {
    await once(server, "listening");
  } catch (cause) {
    if (errorCode(cause) === "EADDRINUSE") return undefined;
    throw cause;
  }
  const release = async () => {
    server.close();
    await once(server, "close");
  };
  return { unref: () => server.unref(), release };
}
