import { type Deferred, deferred } from "../../domain/deferred.ts";

/** What is under way, for those who wait until all that began before them is over. */
export class UnderWay {
  /** How many began. */
  #count = 0;
  /** How many of the first are over. */
  #over = 0;
  /** The others, by number. */
  readonly #open = new Set<number>();
  /** Those who wait until the first so many are over. */
  readonly #waiting = new Map<number, Deferred<void>>();

  /** @param done resolves when it is over; never rejects. */
  add(done: Promise<unknown>): void {
    this.#count += 1;
    const number = this.#count;
    this.#open.add(number);
    void done.then(() => this.#end(number));
  }

  /** Resolves when all that began so far is over; undefined when it is. */
  over(): Promise<void> | undefined {
    if (this.#open.size === 0) return undefined;
    const waiting = this.#waiting.get(this.#count) ?? deferred();
    this.#waiting.set(this.#count, waiting);
    return waiting.promise;
  }

  #end(number: number): void {
    this.#open.delete(number);
    while (this.#over < this.#count && !this.#open.has(this.#over + 1)) {
      this.#over += 1;
      this.#waiting.get(this.#over)?.resolve();
      this.#waiting.delete(this.#over);
    }
  }
}
