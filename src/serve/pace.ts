/**
 * How fast somebody may go on: so many steps a second, and after a rest a second's worth of them at once (a token
 * bucket). Each step has its place in time, in the order in which they are asked for. Has no clock of its own.
 */
export class Pace {
  #stepMs: number;
  readonly #burstMs: number;
  /** When the next step may be taken, ms; in the past while he was slower than he may. */
  #next = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, { burstMs = 1_000 }: { readonly burstMs?: number } = {}) {
    this.#stepMs = 1_000 / perSecond;
    this.#burstMs = burstMs;
  }

  /** From the next step on. */
  set perSecond(perSecond: number) {
    this.#stepMs = 1_000 / perSecond;
  }

  /** Takes a step. @param now in ms, never less than before. @returns after how many ms it may be. */
  step(now: number): number {
    const at = Math.max(this.#next, now - this.#burstMs);
    this.#next = at + this.#stepMs;
    return Math.max(0, at - now);
  }

  /** Takes a step if it may be now. @returns whether it did. */
  tryStep(now: number): boolean {
    if (this.#next > now) return false;
    this.step(now);
    return true;
  }

  /** Whether nothing of what was done before slows him down now. */
  isRested(now: number): boolean {
    return this.#next <= now - this.#burstMs;
  }
}
