import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { deferred } from "../../domain/deferred.ts";
import { CardwireError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Watchable } from "../../domain/watchable.ts";
import { emit } from "../../observe/events.ts";
import type { ReaderTable } from "./reader-table.ts";
import type { Uplink } from "./uplink.ts";
import { Watcher } from "./watcher.ts";

/** How long after a break the readers stay listed and callers wait for the daemon to come back, ms. */
const GRACE_MS = 10_000;
/** Pauses between attempts to reach a daemon that went away, ms: doubled from the first up to the last. */
const RETRY_MS = { first: 100, last: 2_000 };
/**
 * How long to wait before asking again whether others still use a reader, ms: longer than pcscd takes to notice what
 * it will announce (0.4 s), doubled from the first up to the last.
 */
const RECHECK_MS = { first: 500, last: 5_000 };
/** What a break looks like that may heal soon; anything else says that there is no such daemon. */
const PASSING: ReadonlySet<string> = new Set(["E_PCSCD_GONE", "E_PROTOCOL", "E_PCSCD_VERSION"]);

/**
 * - `up`: the daemon is watched, its readers are known.
 * - `broken`: the connection is lost; the readers are shown as they were while it may come back soon.
 * - `gone`: nothing answers; there are no readers until something does.
 * - `resting`: nobody wants to know; nothing is open, and the readers are those of long ago.
 */
export type State = "up" | "broken" | "gone" | "resting";

export interface PresenceOptions {
  readonly table: ReaderTable;
  /** New states are in the table. */
  readonly onSeen: () => void;
  /** The daemon's connections are lost, or nobody needs them any more. */
  readonly onAway: () => void;
}

/** Knows whether a daemon is there: watches it, notices when it goes, and waits for it to come back. */
export class Presence {
  readonly #uplink: Uplink;
  readonly #options: PresenceOptions;
  readonly #state = new Watchable<State>("resting");
  /** The moment ({@link ReaderTable.now}) as of which the readers are true. */
  readonly #trueAt = new Watchable(0);
  /** As many breaks of the line as there were when the daemon was last seen. */
  #breaksSeen = 0;
  #incarnation = 0;
  #losses = 0;
  #watcher: Watcher | undefined;
  #watching: { readonly stop: AbortController; readonly done: Promise<unknown> } | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #recheck: { readonly timer: NodeJS.Timeout; readonly pause: number } | undefined;
  #firstAttempt = deferred();
  #reason: unknown;
  #wasGone = false;

  constructor(uplink: Uplink, options: PresenceOptions) {
    this.#uplink = uplink;
    this.#options = options;
  }

  get state(): State {
    return this.#state.value;
  }

  /** Another number each time a daemon takes the place of one that went away although the line was up. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /** How often the daemon was lost, for whatever reason, and were it for a moment. */
  get losses(): number {
    return this.#losses;
  }

  /** Why the daemon is gone; `undefined` while it is not. */
  get absence(): CardwireError | undefined {
    if (this.state !== "gone") return undefined;
    if (this.#uplink.outage) return this.#uplink.outage;
    if (CardwireError.is(this.#reason)) return this.#reason;
    return new CardwireError("E_PCSCD_GONE", `pcscd at ${this.#uplink.name} does not answer`);
  }

  /** Starts watching, unless it does so already. */
  wake(): void {
    if (this.#watching) return;
    const stop = new AbortController();
    setMaxListeners(0, stop.signal); // as many as there are calls that wait for the daemon
    this.#firstAttempt = deferred();
    this.#firstAttempt.promise.catch(() => {}); // only start() asks for it
    this.#giveUpLater(undefined);
    const watched = this.#watch(stop.signal);
    const counted = this.#uplink.countBreaks(stop.signal);
    this.#watching = { stop, done: Promise.all([watched, counted]) };
    // It was off for long when everybody left: nobody needs to wait to hear that it still is.
    if (this.#wasGone && this.#uplink.outage) this.#giveUp(this.#uplink.outage);
  }

  /** Closes everything. The readers stay listed as they are; they are true again after {@link wake}. */
  async rest(): Promise<void> {
    const closed = this.close();
    this.#wasGone = this.state === "gone";
    this.#enter("resting");
    await closed;
  }

  /** The same for good. */
  async close(): Promise<void> {
    clearTimeout(this.#graceTimer);
    const watching = this.#watching;
    this.#watching = undefined;
    watching?.stop.abort();
    this.#options.onAway();
    await watching?.done;
  }

  /** Resolves when the first attempt after {@link wake} reached the daemon. @throws {CardwireError} why it did not. */
  async firstAttempt(): Promise<void> {
    await this.#firstAttempt.promise;
  }

  /**
   * Resolves when the first attempt after {@link wake} is over, well or not, cannot be made since the line is down, or
   * takes longer than the grace time. Where it was not well the daemon is gone at once: nothing was lost that may come
   * back soon.
   */
  async firstFinding(): Promise<void> {
    const stop = new AbortController();
    try {
      const outage = this.#uplink.untilOutage(stop.signal);
      const silence = this.until("gone", stop.signal);
      const reason = await Promise.race([this.#firstAttempt.promise, outage, silence]);
      if (reason) this.#giveUp(reason);
    } catch (error) {
      if (!CardwireError.is(error)) throw error;
      this.#giveUp(error);
    } finally {
      stop.abort();
    }
  }

  /** Asks for the reader states anew, although the daemon announces no change. */
  refresh(): void {
    this.#watcher?.refresh();
  }

  /** Waits for states newer than this call. @returns false when the daemon stays away for longer than we wait. */
  async confirm(): Promise<boolean> {
    if (!this.#watching) return false; // closed: a program that is gone had more to do
    const moment = this.#options.table.mark();
    this.refresh();
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), GRACE_MS);
    using either = firstSignal(stop.signal, this.#watching.stop.signal);
    const { signal } = either;
    const gone = this.until("gone", signal).then(() => false);
    const seen = reaches(this.#trueAt, (trueAt) => trueAt >= moment, signal);
    try {
      return await Promise.race([gone, seen]);
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }

  /** Resolves when the state is known again, after at most the grace time. */
  async known(signal: AbortSignal): Promise<void> {
    await reaches(this.#state, (state) => state !== "resting", signal);
  }

  /** Resolves when it comes to `state`, or `signal` aborts. */
  async until(state: State, signal: AbortSignal): Promise<void> {
    await reaches(this.#state, (now) => now === state, signal);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const backToFirst = () => {
      pause = RETRY_MS.first;
    };
    let pause = RETRY_MS.first;
    while (!signal.aborted) {
      try {
        await this.#watchOnce(signal, backToFirst);
      } catch (error) {
        if (signal.aborted) this.#firstAttempt.reject(signal.reason);
        else this.#lose(error);
      }
      // Only an abort rejects, and the loop's condition sees it.
      await sleep(pause, undefined, { signal, ref: false }).catch(() => {});
      pause = Math.min(pause * 2, RETRY_MS.last);
    }
  }

  async #watchOnce(signal: AbortSignal, onUp: () => void): Promise<never> {
    const { table, onSeen } = this.#options;
    const connection = await this.#uplink.openConnection(signal);
    const watcher = new Watcher(connection, {
      now: table.now,
      onStates: (sighting) => {
        if (table.update(sighting)) watcher.refresh();
        this.#recheckLater(watcher);
        const wasAway = this.state === "broken" || this.state === "gone";
        if (wasAway && this.#uplink.breaks === this.#breaksSeen) this.#incarnation += 1;
        this.#breaksSeen = this.#uplink.breaks;
        this.#trueAt.set(sighting.askedAt);
        this.#enter("up");
        onUp();
        onSeen();
        this.#firstAttempt.resolve();
      },
    });
    this.#watcher = watcher;
    try {
      return await watcher.run();
    } finally {
      this.#watcher = undefined;
      clearTimeout(this.#recheck?.timer);
      connection.close();
    }
  }

  #recheckLater(watcher: Watcher): void {
    clearTimeout(this.#recheck?.timer);
    if (!this.#options.table.hasForeignUse) {
      this.#recheck = undefined;
      return;
    }
    const pause = Math.min((this.#recheck?.pause ?? RECHECK_MS.first / 2) * 2, RECHECK_MS.last);
    const timer = setTimeout(() => watcher.refresh(), pause);
    timer.unref();
    this.#recheck = { timer, pause };
  }

  #lose(reason: unknown): void {
    this.#losses += 1;
    this.#firstAttempt.reject(reason);
    if (this.state === "up") {
      this.#enter("broken", reason);
      this.#giveUpLater(reason);
    } else this.#uplink.forget(); // perhaps another daemon: of another version, byte order or number of slots
    if (CardwireError.is(reason) && !PASSING.has(reason.code)) this.#giveUp(reason);
    this.#options.onAway();
  }

  #giveUpLater(reason: unknown): void {
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => this.#giveUp(reason), GRACE_MS);
    this.#graceTimer.unref();
  }

  #giveUp(reason: unknown): void {
    if (this.state === "up" || this.state === "gone") return;
    this.#options.table.clear();
    this.#enter("gone", reason);
  }

  #enter(state: State, reason?: unknown): void {
    if (state === "up") clearTimeout(this.#graceTimer);
    if (state === this.state) return;
    this.#reason = reason;
    this.#state.set(state);
    emit("cardwire:pcscd", () => ({
      at: this.#uplink.name,
      state,
      ...(reason instanceof Error && { reason: reason.message }),
    }));
  }
}

async function reaches<T>(
  watchable: Watchable<T>,
  is: (value: T) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  for await (const value of watchable.follow({ signal })) if (is(value)) return true;
  return false;
}
