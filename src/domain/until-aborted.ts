import { deferred } from "./deferred.ts";

/** What a job resolves with, or the signal's reason as soon as that aborts. The job goes on then, unheard. */
export async function untilAborted<T>(
  job: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return await job();
  signal.throwIfAborted();
  const { promise, reject } = deferred<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([job(), promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
