import { deferred } from "./deferred.ts";

/** A value that others follow. A slow follower skips intermediate values and always gets the latest: nothing queues. */
export class Watchable<T> {
  #value: T;
  #version = 0;
  #changed = deferred();

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    this.#version += 1;
    this.#changed.resolve();
    this.#changed = deferred();
  }

  /** The current value, then each later one, until `signal` aborts; aborting ends the loop, it does not throw. */
  async *follow({ signal }: { signal: AbortSignal }): AsyncGenerator<T, void, undefined> {
    const stop = deferred();
    const onAbort = () => stop.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (let seen = -1; !signal.aborted; ) {
        if (seen === this.#version) await Promise.race([this.#changed.promise, stop.promise]);
        else {
          seen = this.#version;
          yield this.#value;
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
