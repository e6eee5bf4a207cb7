import { type Deferred, deferred } from "../../domain/deferred.ts";

export interface RestOptions {
  /** How long nobody may use it, ms; undefined: it never rests. */
  readonly afterMs: number | undefined;
  /** Whether it may not rest now, though nobody asks for anything. */
  readonly isNeeded: () => boolean;
  /** Lets the other end rest, and asks it to be there again. */
  readonly tell: (isWanted: boolean) => void;
}

/** Lets the other end rest when nobody used it for a while, and wakes it for whoever comes. */
export class Rest {
  readonly #options: RestOptions;
  #users = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Settles when what is known is new again; undefined while it is. */
  #waking: Deferred<void> | undefined;
  #isResting = false;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** Somebody uses it from now on. Resolves when what is known of it is true, or `signal` aborts. */
  async use(signal: AbortSignal): Promise<void> {
    this.#users += 1;
    clearTimeout(this.#timer);
    if (this.#isResting) {
      this.#isResting = false;
      this.#options.tell(true);
    }
    const waking = this.#waking;
    if (!waking || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const proceed = () => {
        signal.removeEventListener("abort", proceed);
        resolve();
      };
      signal.addEventListener("abort", proceed, { once: true });
      void waking.promise.then(proceed);
    });
  }

  /** He does not any more. */
  unuse(): void {
    this.#users -= 1;
    this.#restLater();
  }

  /** The other end told what is true now, or there is none any more: then the next one is not resting. */
  awake(): void {
    if (this.#isResting) return; // told before it was let rest
    this.#waking?.resolve();
    this.#waking = undefined;
  }

  /** Another session was begun, which is awake. */
  renew(): void {
    this.#isResting = false;
    this.awake();
    this.#restLater();
  }

  /** For good. */
  close(): void {
    clearTimeout(this.#timer);
    this.#users = Number.POSITIVE_INFINITY;
    this.renew();
  }

  #restLater(): void {
    const { afterMs } = this.#options;
    clearTimeout(this.#timer);
    if (this.#users > 0 || afterMs === undefined) return;
    this.#timer = setTimeout(() => {
      if (this.#options.isNeeded()) return this.#restLater();
      this.#isResting = true;
      this.#waking = deferred();
      this.#options.tell(false);
    }, afterMs);
    this.#timer.unref();
  }
}
