import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { errorCode } from "./error-code.ts";

/** How long to wait when the listener's queue is full, ms. A pcscd that was started by hand has a queue of one. */
const FULL_QUEUE_MS = 5;

/**
 * Connects to a Unix socket. While the listener's queue is full (EAGAIN, unix(7)) it tries again. Aborting destroys the
 * attempt and rejects with the signal's reason.
 *
 * The socket comes with an `error` listener that does nothing, so that an error before the caller's own listener is in
 * place does not end the process; `close` always follows an error.
 *
 * @throws {Error} the system's own error, with its `code` (`ENOENT`, `ECONNREFUSED`, `EACCES`, …).
 */
export async function dial(path: string, { signal }: { signal: AbortSignal }): Promise<Socket> {
  for (;;) {
    try {
      return await attempt(path, signal);
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
    }
    await delay(FULL_QUEUE_MS);
  }
}

function attempt(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const socket = connect({ path });
    const onAbort = () => socket.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    let failure: Error | undefined;
    socket.on("error", (error) => {
      failure = error;
    });
    const onClose = () => {
      signal.removeEventListener("abort", onAbort);
      reject(signal.aborted ? signal.reason : failure);
    };
    socket.once("close", onClose);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("close", onClose);
      resolve(socket);
    });
  });
}
