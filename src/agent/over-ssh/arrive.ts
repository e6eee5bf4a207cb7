import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Hall } from "../../link/hall.ts";

/** Pauses between attempts to reach the agent, ms: doubled from the first up to the last. */
const AGAIN_MS = { first: 100, last: 2_000 };
/** A connection that lasted for so long was a good one, ms: the next is made without a pause. */
const SETTLED_MS = 5_000;

/** Connections that are brought into a hall. */
export interface Arriving {
  /** Resolves when no more are made, after the signal aborted. Never rejects. */
  readonly done: Promise<void>;
  /** Resolves when the present one ends. */
  idle(): Promise<unknown>;
}

/**
 * Brings each connection to the agent into the hall, one after the other.
 *
 * @param options.entered is told of each.
 */
export function arrive(
  way: { open(options: { signal: AbortSignal }): Promise<Duplex> },
  hall: Pick<Hall, "accept">,
  { entered, signal }: { readonly entered: () => void; readonly signal: AbortSignal },
): Arriving {
  let present: Promise<unknown> = Promise.resolve();
  /** @returns whether it lasted. */
  const one = async (): Promise<boolean> => {
    const stream = await way.open({ signal });
    const since = performance.now();
    const stop = () => stream.destroy();
    signal.addEventListener("abort", stop, { once: true });
    try {
      entered();
      present = once(stream, "close").catch(() => {}); // an error is an end, too
      hall.accept(stream);
      if (signal.aborted) stop();
      await present;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return performance.now() - since >= SETTLED_MS;
  };
  const run = async () => {
    for (let pause = AGAIN_MS.first; !signal.aborted; ) {
      // The line says why one fails; what an agent says that is started anew may pass.
      if (await one().catch(() => false)) {
        pause = AGAIN_MS.first;
        continue;
      }
      await sleep(pause, undefined, { signal, ref: false }).catch(() => {}); // the loop sees it
      pause = Math.min(pause * 2, AGAIN_MS.last);
    }
  };
  return { done: run(), idle: () => present };
}
