import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";

/** How long what a program believed done may still take when it is gone, ms. */
const LAST_CALLS_MS = 1_000;

/** The calls on one handle, one after the other, and what gives them up. */
export class Turns {
  /** The calls so far. */
  #calls: Promise<unknown> = Promise.resolve();
  #running = 0;
  /** For what arrives now and its program waits for; another after each cancel. */
  #stop = new AbortController();
  /** The one of the call under way. */
  #stopping = this.#stop;
  /** For what it does not wait for. */
  readonly #patience = new AbortController();

  /** Calls that wait or are under way. */
  get waiting(): number {
    return this.#running;
  }

  /** Aborts when the call under way is given up, for one that its program waits for. */
  get awaited(): AbortSignal {
    return this.#stopping.signal;
  }

  /** The same for one whose program went on: it is done though the program is gone, unless it takes long. */
  get unawaited(): AbortSignal {
    return this.#patience.signal;
  }

  /** Does `job` after the calls before it, and after `others`. Never rejects if `job` does not. */
  take<T>(job: () => Promise<T>, others?: Promise<unknown>): Promise<T> {
    this.#running += 1;
    const stop = this.#stop;
    const run = () => {
      this.#stopping = stop;
      return job();
    };
    const free = this.#running === 1 && !others;
    const done = free ? run() : Promise.all([this.#calls, others]).then(run);
    const over = (): void => {
      this.#running -= 1;
    };
    this.#calls = done.then(over, over); // before anybody else hears of it
    return done;
  }

  /** Gives up the one that is under way or waits for its turn. */
  cancel(): void {
    this.#stop.abort(new ReturnCodeError("SCardCancel", Rv.Cancelled));
    this.#stop = new AbortController();
  }

  /** The last one: its program is gone. What waits is given up, what it believed done is carried out before. */
  async last(job: () => Promise<void>): Promise<void> {
    const gone = new ReturnCodeError("SCardReleaseContext", Rv.Cancelled);
    this.#stop.abort(gone);
    const late = setTimeout(() => this.#patience.abort(gone), LAST_CALLS_MS);
    late.unref();
    await this.take(async () => {
      clearTimeout(late);
      await job();
    });
  }
}
