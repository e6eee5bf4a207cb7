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

async function acquire(what: string): Promise<Server> {
  const hash = createHash("sha256").update(what).digest("hex").slice(0, 32);
  const name = `\0cardwire:${process.getuid?.() ?? 0}:${hash}`;
  for (const until = performance.now() + WAIT_MS; ; ) {
    const server = createServer((caller) => caller.destroy());
    server.listen(name);
    try {
      await once(server, "listening");
      return server;
    } catch (cause) {
      if (errorCode(cause) !== "EADDRINUSE") throw cause;
      if (performance.now() > until) {
        throw new CardwireError("E_LOCKED", `another cardwire is busy with ${what}`, {
          cause,
          hint: "Try again in a moment.",
        });
      }
    }
    await delay(POLL_MS);
  }
}
