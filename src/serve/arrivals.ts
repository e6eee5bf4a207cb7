import { Pace } from "./pace.ts";

/** How often somebody may come in the long run, a second: a program that loops is slower than that by itself. */
export const ARRIVALS_PER_SECOND = 10;
/** How often at least at once, after a rest: several programs may begin together. */
export const ARRIVALS_AT_ONCE = 32;
/** So many are remembered. */
const MAX_KNOWN = 4_096;

/** How often somebody comes: whoever is let in costs a handshake each time, whatever he does afterwards. */
export class Arrivals {
  readonly #paces = new Map<string, Pace>();

  /**
   * Somebody came.
   *
   * @param atOnce how many times he may after a rest.
   * @returns whether he may.
   */
  may(who: string, atOnce: number, now: number = performance.now()): boolean {
    if (!this.#paces.has(who)) this.#forget(now);
    const burstMs = (atOnce / ARRIVALS_PER_SECOND) * 1_000;
    const pace = this.#paces.get(who) ?? new Pace(ARRIVALS_PER_SECOND, { burstMs });
    this.#paces.set(who, pace);
    return pace.tryStep(now);
  }

  #forget(now: number): void {
    for (const [who, pace] of this.#paces)
      if (pace.isRested(now) || this.#paces.size >= MAX_KNOWN) this.#paces.delete(who);
  }
}
