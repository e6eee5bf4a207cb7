import { randomInt } from "node:crypto";

/** Numbers of contexts or handles: 31 bits, never 0, random, so that one is not soon given out again. */
export class Numbers {
  readonly #used = new Set<number>();

  /** A number that nobody has now. */
  take(): number {
    for (;;) {
      const number = randomInt(1, 2 ** 31);
      if (this.#used.has(number)) continue;
      this.#used.add(number);
      return number;
    }
  }

  free(number: number): void {
    this.#used.delete(number);
  }
}
