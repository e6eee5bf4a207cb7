import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";

/** Longest wait for another process, ms. What is done under a lock takes a few system calls. */
const WAIT_MS = 2_000;
const POLL_MS = 10;

/**
 * Runs `action` while no other process of this user runs one for the same `what`, such as a path.
 *
 * The lock is a socket in Linux's abstract namespace (unix(7)): the kernel drops it with its process, so none is ever
 * left behind. Processes in different network namespaces do not see each other's.
 *
 * @throws {CardwireError} `E_LOCKED` when another process holds it for longer than two seconds.
 */
export async function withLock<T>(what: string, action: () => Promise<T>): Promise<T> {
  const lock = await acquire(what);
  try {
    return await action();
  } finally {
    lock.close();
  }
}

/**
 * Keeps a lock of the same kind until it is disposed.
 *
 * @returns undefined when another process has it; nothing is waited for.
 */
export async function holdLock(what: string): Promise<AsyncDisposable | undefined> {
  const lock = await tryToAcquire(what);
  if (lock instanceof Error) return undefined;
  lock.unref(); // it holds nobody up
  return {
    [Symbol.asyncDispose]: async () => {
      lock.close();
      await once(lock, "close");
    },
  };
}

async function acquire(what: string): Promise<Server> {
  for (const until = performance.now() + WAIT_MS; ; ) {
    const lock = await tryToAcquire(what);
    if (!(lock instanceof Error)) return lock;
    if (performance.now() > until) {
      throw new CardwireError("E_LOCKED", `another cardwire is busy with ${what}`, {
        cause: lock,
        hint: "Try again in a moment.",
      });
    }
    await delay(POLL_MS);
  }
}

/** @returns the system's error when another process has it. */
async function tryToAcquire(what: string): Promise<Server | Error> {
  const hash = createHash("sha256").update(what).digest("hex").slice(0, 32);
  const server = createServer((caller) => caller.destroy());
  server.listen(`\0cardwire:${process.getuid?.() ?? 0}:${hash}`);
  try {
    await once(server, "listening");
    return server;
  } catch (cause) {
    if (errorCode(cause) === "EADDRINUSE" && cause instanceof Error) return cause;
    throw cause;
  }
}
