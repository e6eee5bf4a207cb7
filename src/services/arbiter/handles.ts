import type { Connected } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { CountedSession } from "./counted-session.ts";

/** Where more than ours are shown for a greater share of the time, it is not for ours that were just closed. */
const MOST_MORE = 0.6;

/** Between pcscd's counting a new handle and its answer there are no more than so many ms. */
const ANSWERED_WITHIN_MS = 100;

/**
 * Tells other programs' handles on one card from ours by their number, which is all that pcscd shows, and shows late.
 * For a while after one of ours was closed one of theirs can be taken for it, but not for long, however many we open and
 * close: on average there are no more than ours.
 */
export class Handles {
  readonly #lateMs: number;
  readonly #own = new Set<object>();
  readonly #closing = new Set<object>();
  #opening = 0;
  /** When handles of ours were closed, and how many there were of them before. */
  #closed: { readonly at: number; readonly before: number }[] = [];
  #shown = 0;
  #shownAt = 0;
  /** Whether more are shown than are open, as a share of the time of late: from 0 to 1. */
  #more = 0;
  #moreUntil = performance.now();
  /** Since when more are shown than are open, while one is being opened. */
  #moreAt = Number.POSITIVE_INFINITY;
  /** Whether some were there meanwhile, as turned out later. */
  #wereOthers = false;

  /** @param lateMs how long a handle that was closed may still be counted, ms. */
  constructor(lateMs: number) {
    this.#lateMs = lateMs;
  }

  /** Whether one of ours is being opened. */
  get isOpening(): boolean {
    return this.#opening > 0;
  }

  /** Opens one by `connect`, and counts it until it is closed. @throws as `connect`. */
  async open(connect: () => Promise<Connected>): Promise<Connected> {
    this.#opening += 1;
    try {
      const { session, activeProtocol } = await connect();
      const counted = new CountedSession(session, (handle, job) => this.#close(handle, job));
      this.#average();
      this.#own.add(counted);
      return { session: counted, activeProtocol };
    } catch (error) {
      // One that is refused was never counted; one that was given up may have been granted, and is closed then.
      if (!(error instanceof ReturnCodeError) || error.rv === Rv.Cancelled) this.#wasClosed();
      throw error;
    } finally {
      this.#opening -= 1;
      // A handle is counted when it is granted: what was there long before is another's.
      if (performance.now() - this.#moreAt > ANSWERED_WITHIN_MS) this.#wereOthers = true;
      this.#moreAt = Number.POSITIVE_INFINITY;
    }
  }

  /** The reader went away, and all handles on it: one that comes by this name has none. */
  clear(): void {
    this.#own.clear();
    this.#closing.clear();
  }

  /** Whether more are shown than are ours, now and of late. @param sharing as pcscd shows it: -1 for one exclusive handle. */
  hasOthers(sharing: number): boolean {
    return this.#exceeds(Math.abs(sharing), this.#own.size + this.#opening);
  }

  /**
   * There is a new number.
   *
   * @returns whether others were there since the last look, or are: a fall that we are not the cause of tells so, too.
   */
  look(sharing: number): boolean {
    const shown = Math.abs(sharing);
    const now = performance.now();
    this.#average();
    const since = this.#shownAt - this.#lateMs;
    this.#closed = this.#closed.filter(({ at }) => at >= since);
    const hasFallen = this.#shown - shown > this.#closing.size + this.#closed.length;
    this.#shown = shown;
    this.#shownAt = now;
    if (!this.#exceeds(shown, this.#own.size)) this.#moreAt = Number.POSITIVE_INFINITY;
    else if (this.#opening > 0) this.#moreAt = Math.min(this.#moreAt, now);
    const wereOthers = this.#wereOthers || hasFallen;
    this.#wereOthers = false;
    return wereOthers || this.hasOthers(sharing);
  }

  #exceeds(shown: number, own: number): boolean {
    if (shown <= own) return false;
    this.#average();
    if (this.#more > MOST_MORE) return true;
    const since = performance.now() - this.#lateMs;
    return this.#closed.every(({ at, before }) => at <= since || shown > before);
  }

  /** Counts what was until now. */
  #average(): void {
    const now = performance.now();
    const kept = Math.exp((this.#moreUntil - now) / Math.max(1, 4 * this.#lateMs));
    const isMore = this.#shown > this.#own.size;
    this.#more = this.#more * kept + (isMore ? 1 - kept : 0);
    this.#moreUntil = now;
  }

  /** Where `job` fails the handle stays. */
  async #close(handle: object, job: () => Promise<void>): Promise<void> {
    if (!this.#own.has(handle)) return await job();
    this.#closing.add(handle); // from now on there may be one less
    try {
      await job();
      this.#average();
      if (this.#own.has(handle)) this.#wasClosed();
      this.#own.delete(handle);
    } finally {
      this.#closing.delete(handle);
    }
  }

  #wasClosed(): void {
    this.#closed.push({ at: performance.now(), before: this.#own.size + this.#opening });
  }
}
