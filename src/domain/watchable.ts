/** A value that others follow. A slow follower skips intermediate values and always gets the latest: nothing queues. */
export class Watchable<T> {
  #value: T;
  #version = 0;
  readonly #waiting = new Set<() => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    this.#version += 1;
    for (const proceed of this.#waiting) proceed();
  }

  /** The current value, then each later one, until `signal` aborts; aborting ends the loop, it does not throw. */
  async *follow({ signal }: { signal: AbortSignal }): AsyncGenerator<T, void, undefined> {
    for (let seen = -1; !signal.aborted; ) {
      if (seen === this.#version) await this.#next(signal);
      else {
        seen = this.#version;
        yield this.#value;
      }
    }
  }

  /** Resolves at the next {@link set}, or when `signal` aborts. */
  async #next(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const proceed = () => {
        this.#waiting.delete(proceed);
        signal.removeEventListener("abort", proceed);
        resolve();
      };
      this.#waiting.add(proceed);
      signal.addEventListener("abort", proceed, { once: true });
    });
  }
}
