/** How long something must not have happened to be news again, ms. */
const QUIET_MS = 10_000;
/** So many kinds of things are remembered at most. */
const MAX_KEYS = 4_096;

/** Tells the first of many things of a kind from those that follow, so that a flood is told once. */
export class Bursts {
  readonly #last = new Map<string, number>();

  /** It happened. @returns whether it did not for a while. */
  begins(key: string, now: number = performance.now()): boolean {
    const before = this.#last.get(key);
    this.#last.delete(key);
    this.#last.set(key, now);
    for (const [oldest] of this.#last) {
      if (this.#last.size <= MAX_KEYS) break;
      this.#last.delete(oldest);
    }
    return before === undefined || now - before > QUIET_MS;
  }
}
