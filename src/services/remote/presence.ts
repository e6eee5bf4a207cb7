import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { deferred } from "../../domain/deferred.ts";
import { CardwireError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Watchable } from "../../domain/watchable.ts";
import { type LinkClient, openLink } from "../../link/client.ts";
import type { SessionFrame } from "../../link/end.ts";
import type { Patience } from "../../link/hall.ts";
import { emit } from "../../observe/events.ts";
import { Type } from "../../wire/link/frames.ts";
import { Calls } from "./calls.ts";

/** Pauses between attempts to open a new session, ms: doubled from the first up to the last. */
const RETRY_MS = { first: 100, last: 2_000 };
/** A session that lasted for so long was a good one, ms: the next is opened without a pause. */
const SETTLED_MS = 5_000;
/** The pause after the other end said that it does not let us in, ms: somebody has to do something there first. */
const DENIED_MS = 30_000;
/** How long somebody waits for a link that is away before he is told, ms. */
const CONFIRM_MS = 10_000;

/** Where another cardwire is. */
export interface Way {
  /** For messages and events. */
  readonly name: string;
  /** What it expects of whoever opens a session; 32 bytes. */
  readonly secret?: Uint8Array | undefined;
  /** Makes a connection to it. Waits while there is no line. */
  open(options: { signal: AbortSignal }): Promise<Duplex>;
}

/** - `up`: connected. - `broken`: connecting again, everybody waits. - `gone`: no readers until there is a new session. */
export type LinkState = "up" | "broken" | "gone";

export interface PresenceOptions {
  readonly way: Way;
  readonly patience: Patience;
  /** Who we are, for people at the other end. */
  readonly about: string;
  /** Gets each frame of the present session. @throws {ProtocolError} to end it. */
  readonly frame: (frame: SessionFrame) => void;
  /** The present session is over, with all its handles. Its calls hear of it after this. */
  readonly lost: () => void;
}

/** Sees to it that there is a session with the other cardwire: resumes it, and begins another when that cannot be. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #state = new Watchable<LinkState>("gone");
  readonly #life: AbortSignal;
  #link: LinkClient | undefined;
  #calls: Calls | undefined;
  #reopening: Promise<void> = Promise.resolve();
  #isReopening = false;
  /** When the present session showed its readers, as performance.now() counts. */
  #upAt = 0;
  /** How long the next pause is, ms. */
  #pause: number = RETRY_MS.first;
  #failure: CardwireError | undefined;

  /** @param life aborts when nobody wants the link any more; {@link close} waits for its end. */
  constructor(options: PresenceOptions, life: AbortSignal) {
    this.#options = options;
    this.#life = life;
  }

  get state(): LinkState {
    return this.#state.value;
  }

  /** The calls of the present session. */
  get calls(): Calls | undefined {
    return this.#calls;
  }

  /** Why the last attempt to open another session failed; undefined once there is one. */
  get failure(): CardwireError | undefined {
    return this.#failure;
  }

  /** The present session, or the last. */
  get link(): LinkClient | undefined {
    return this.#link;
  }

  /** Opens a session, and resolves when its readers are known. @throws {CardwireError} why there is none. */
  async open(signal: AbortSignal): Promise<void> {
    const listed = deferred();
    listed.promise.catch(() => {}); // it is waited for below, if the session is opened at all
    const { way, patience, about, frame: take } = this.#options;
    let calls: Calls | undefined;
    let isListed = false;
    const isPresent = (): boolean => calls !== undefined && this.#calls === calls;
    /** Before the first list nobody has use for the session, whatever becomes of its connections. */
    const isShown = (): boolean => isPresent() && isListed;
    const owner = {
      frame: (frame: SessionFrame) => {
        if (isPresent()) take(frame);
        if (frame.type !== Type.Readers) return;
        isListed = true;
        listed.resolve();
      },
      down: (reason: unknown) => {
        if (isShown()) this.#enter("broken", reason);
      },
      up: () => {
        if (isShown()) this.#enter("up");
      },
      over: (reason: CardwireError) => {
        listed.reject(reason);
        if (isPresent()) this.#over(reason);
      },
    };
    const dial: Way["open"] = (within) => way.open(within);
    const link = await openLink({ dial, secret: way.secret, patience, about, owner }, { signal });
    if (signal.aborted) await link.close(); // whoever aborted it may have closed what there was already
    signal.throwIfAborted();
    this.#link = link;
    calls = new Calls(link.end);
    this.#calls = calls;
    calls.watch(true);
    const stop = () => listed.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      await listed.promise;
      if (!isPresent())
        throw new CardwireError("E_CLOSED", "the other end closed the link at once");
      this.#upAt = performance.now();
      this.#failure = undefined;
      this.#enter(link.end.isUp ? "up" : "broken");
    } catch (error) {
      if (isPresent()) this.#calls = undefined;
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Resolves when it is in that state, or `signal` aborts. */
  async until(wanted: LinkState, { signal }: { signal: AbortSignal }): Promise<void> {
    for await (const state of this.#state.follow({ signal })) if (state === wanted) return;
  }

  /** Waits until the other end is there. @returns false when it stays away for longer than anybody waits, or `signal` aborts. */
  async confirm({ signal }: { signal: AbortSignal }): Promise<boolean> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), CONFIRM_MS);
    using either = firstSignal(late.signal, this.#life, signal);
    try {
      for await (const state of this.#state.follow(either)) if (state === "up") return true;
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the session, once the life's signal is aborted. */
  async close(): Promise<void> {
    await this.#link?.close();
    this.#lose(new CardwireError("E_CLOSED", "the service was closed"));
    await this.#reopening;
  }

  /** The session cannot be resumed: handles are lost, and another session is opened. */
  #over(reason: CardwireError): void {
    this.#lose(reason);
    if (!this.#life.aborted && !this.#isReopening) this.#reopening = this.#reopen();
  }

  #lose(reason: CardwireError): void {
    const calls = this.#calls;
    this.#calls = undefined;
    this.#options.lost();
    this.#enter("gone", reason);
    calls?.lose(reason);
  }

  async #reopen(): Promise<void> {
    const signal = this.#life;
    this.#isReopening = true;
    if (performance.now() - this.#upAt >= SETTLED_MS) this.#pause = RETRY_MS.first;
    else await this.#rest();
    while (!signal.aborted) {
      try {
        await this.open(signal);
        break;
      } catch (error) {
        if (!signal.aborted) this.#fail(error);
        await this.#rest();
      }
    }
    this.#isReopening = false;
  }

  #fail(error: unknown): void {
    const failure = CardwireError.is(error)
      ? error
      : new CardwireError("E_LINE_DOWN", String(error));
    const isNews = failure.message !== this.#failure?.message;
    this.#failure = failure;
    if (failure.code !== "E_DENIED") return;
    this.#pause = DENIED_MS;
    if (isNews) this.#tell("gone", failure);
  }

  /** Waits before the next attempt, longer each time. */
  async #rest(): Promise<void> {
    const options = { signal: this.#life, ref: false };
    await sleep(this.#pause, undefined, options).catch(() => {}); // then nobody wants another attempt
    this.#pause = Math.min(this.#pause * 2, RETRY_MS.last);
  }

  #tell(state: LinkState, reason: unknown): void {
    emit("cardwire:link", () => ({
      at: this.#options.way.name,
      state,
      ...(reason instanceof Error && { reason: reason.message }),
    }));
  }

  #enter(state: LinkState, reason?: unknown): void {
    if (state === this.state) return;
    this.#state.set(state);
    this.#tell(state, reason);
  }
}
