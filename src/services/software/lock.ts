import { deferred } from "../../domain/deferred.ts";

/**
 * Who has a reader's card for itself. It belongs to one handle and nests (protocol reference, section 5.3). Unlike
 * pcscd's, it is given to those who wait in the order in which they came, at once when it is free.
 */
export class Lock<H extends object> {
  #holder: H | undefined;
  #depth = 0;
  /** Each tries to go on, and says whether it did. In order of arrival. */
  #waiting: (() => boolean)[] = [];

  isHeld(): boolean {
    return this.#holder !== undefined;
  }

  isHeldBy(handle: H): boolean {
    return this.#holder === handle;
  }

  /** Whether somebody else has it. */
  isDenied(handle: H): boolean {
    return this.#holder !== undefined && this.#holder !== handle;
  }

  /** Takes it once more. @returns whether it could. */
  take(handle: H): boolean {
    if (this.isDenied(handle)) return false;
    this.#holder = handle;
    this.#depth += 1;
    return true;
  }

  /** Gives one level back, down to `floor`. @returns false when this handle does not have it any deeper. */
  give(handle: H, floor = 0): boolean {
    if (this.#holder !== handle || this.#depth <= floor) return false;
    this.#depth -= 1;
    if (this.#depth === 0) this.drop();
    return true;
  }

  /** Frees it, however deeply it is held. */
  drop(): void {
    this.#holder = undefined;
    this.#depth = 0;
    this.#wake();
  }

  /** Takes it as soon as it is free. @returns false when that lasts more than so many ms, or `signal` aborts. */
  async takeInTurn(handle: H, withinMs: number, signal: AbortSignal): Promise<boolean> {
    const late = new AbortController();
    const giveUp = (): void => late.abort();
    const timer = setTimeout(giveUp, withinMs);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      return await this.#wait(() => this.take(handle), late.signal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Resolves when it is free for that handle, or, without one, for all; false when `signal` aborts first. */
  async whenFree(handle: H | undefined, signal?: AbortSignal): Promise<boolean> {
    return await this.#wait(() => this.#holder === undefined || this.#holder === handle, signal);
  }

  async #wait(goOn: () => boolean, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return false;
    if (goOn()) return true;
    const { promise, resolve } = deferred<boolean>();
    const attempt = (): boolean => {
      const went = goOn();
      if (went) resolve(true);
      return went;
    };
    const giveUp = (): void => {
      this.#waiting = this.#waiting.filter((one) => one !== attempt);
      resolve(false);
    };
    this.#waiting.push(attempt);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter((attempt) => !attempt());
  }
}
