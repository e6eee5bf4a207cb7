import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Whether the other end of a fresh stream closes it, unasked, within `limitMs`. The stream is destroyed either way.
 * An abort counts as no.
 */
export async function hangsUp(
  stream: Socket,
  { limitMs, signal }: { limitMs: number; signal: AbortSignal },
): Promise<boolean> {
  const closed = new Promise<true>((resolve) => {
    stream.once("close", () => resolve(true));
  });
  stream.resume();
  const stop = new AbortController();
  const waited = delay(limitMs, false, { signal: AbortSignal.any([signal, stop.signal]) });
  try {
    // The loser is ended below: the timer by `stop`, the stream by destroy().
    return await Promise.race([closed, waited.catch(() => false)]);
  } finally {
    stop.abort();
    stream.destroy();
  }
}
