import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";

/** How long what a program believed done may still take when it is gone, ms. */
const LAST_CALLS_MS = 1_000;

/** What a call comes to whose program is gone. One for all of them: a link may end with thousands. */
const GONE = new ReturnCodeError("SCardReleaseContext", Rv.Cancelled);

export interface TurnOptions {
  /** What is waited for, besides the calls before. */
  readonly after?: Promise<unknown> | undefined;
  /** Whether its program went on without the answer. */
  readonly isEarly?: boolean;
}

/** The calls on one handle, one after the other, and what gives them up. */
export class Turns {
  /** The calls so far. */
  #calls: Promise<unknown> = Promise.resolve();
  #running = 0;
  /** For what arrives now and its program waits for; another after each cancel. */
  #stop = new AbortController();
  /** The one of the call under way. */
  #stopping = this.#stop;
  /** Whether a program waits for the call under way. */
  #isAwaited = false;
  #isGone = false;
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

  /**
   * Does `job` after the calls before it.
   *
   * @throws {ReturnCodeError} where its program is gone, and waits for it or its time is over.
   */
  take<T>(job: () => Promise<T>, options: TurnOptions = {}): Promise<T> {
    // Of what comes too late, there may be thousands: they are all refused alike, and none of them begins.
    const isDue = (): boolean =>
      !this.#isGone || (options.isEarly === true && !this.#patience.signal.aborted);
    return this.#take(job, options, isDue);
  }

  #take<T>(
    job: () => Promise<T>,
    { after, isEarly = false }: TurnOptions,
    isDue: () => boolean,
  ): Promise<T> {
    this.#running += 1;
    const stop = this.#stop;
    const run = () => {
      if (!isDue()) throw GONE;
      this.#stopping = stop;
      this.#isAwaited = !isEarly;
      return job();
    };
    const free = this.#running === 1 && !after && isDue();
    const before = after ? Promise.all([this.#calls, after]) : this.#calls;
    const done = free ? run() : before.then(run);
    const over = (): void => {
      this.#running -= 1;
      this.#isAwaited = false;
    };
    this.#calls = done.then(over, over); // before anybody else hears of it
    return done;
  }

  /** Gives up the one that is under way or waits for its turn. */
  cancel(): void {
    this.#stop.abort(new ReturnCodeError("SCardCancel", Rv.Cancelled));
    this.#stop = new AbortController();
  }

  /**
   * The last one: its program is gone. What that waited for is given up at once; what it believed done is carried out
   * before, unless it takes long.
   *
   * @param giveUp ends the call under way, whatever it waits for.
   */
  async last(job: () => Promise<void>, giveUp: () => void): Promise<void> {
    this.#isGone = true;
    this.#stop.abort(GONE);
    if (this.#isAwaited) giveUp();
    const late = setTimeout(() => {
      this.#patience.abort(GONE);
      giveUp();
    }, LAST_CALLS_MS);
    late.unref();
    const last = async (): Promise<void> => {
      clearTimeout(late);
      await job();
    };
    await this.#take(last, { isEarly: true }, () => true);
  }
}
