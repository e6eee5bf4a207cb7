import type { Connected } from "../../domain/card-service.ts";
import { CountedSession } from "./counted-session.ts";

/**
 * Tells other programs' handles on one card from ours by their number, which is all that pcscd shows, and shows late.
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
      this.#own.add(counted);
      return { session: counted, activeProtocol };
    } catch (error) {
      this.#wasClosed(); // it may have been counted before it was refused
      throw error;
    } finally {
      this.#opening -= 1;
    }
  }

  /** The reader went away, and all handles on it: one that comes by this name has none. */
  clear(): void {
    this.#own.clear();
    this.#closing.clear();
  }

  /** Whether `shown` are more than ours, now and of late. @param sharing as pcscd shows it: -1 for one exclusive handle. */
  hasOthers(sharing: number): boolean {
    const shown = Math.abs(sharing);
    if (shown <= this.#count) return false;
    const since = performance.now() - this.#lateMs;
    return this.#closed.every(({ at, before }) => at <= since || shown > before);
  }

  /** There is a new number. @returns whether others were there before, or are: a fall that we are not the cause of tells so. */
  look(sharing: number): boolean {
    const since = this.#shownAt - this.#lateMs;
    this.#closed = this.#closed.filter(({ at }) => at >= since);
    const fell = this.#shown - Math.abs(sharing);
    this.#shown = Math.abs(sharing);
    this.#shownAt = performance.now();
    return fell > this.#closing.size + this.#closed.length || this.hasOthers(sharing);
  }

  get #count(): number {
    return this.#own.size + this.#opening;
  }

  /** Where `job` fails the handle stays. */
  async #close(handle: object, job: () => Promise<void>): Promise<void> {
    if (!this.#own.has(handle)) return await job();
    this.#closing.add(handle); // from now on there may be one less
    try {
      await job();
      if (this.#own.has(handle)) this.#wasClosed();
      this.#own.delete(handle);
    } finally {
      this.#closing.delete(handle);
    }
  }

  #wasClosed(): void {
    this.#closed.push({ at: performance.now(), before: this.#count });
  }
}
