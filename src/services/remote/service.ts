import { setMaxListeners } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  CardService,
  CardSession,
  ConnectOptions,
  Reader,
} from "../../domain/card-service.ts";
import { deferred } from "../../domain/deferred.ts";
import { CardwireError, ProtocolError, ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Watchable } from "../../domain/watchable.ts";
import { type LinkClient, openLink } from "../../link/client.ts";
import type { SessionFrame } from "../../link/end.ts";
import type { Patience } from "../../link/hall.ts";
import { emit } from "../../observe/events.ts";
import { isForClient, nameOfType, Type } from "../../wire/link/frames.ts";
import { decodeReaders } from "../../wire/link/reader-list.ts";
import { Calls } from "./calls.ts";
import { Foresight } from "./foresight.ts";
import { Holders } from "./holders.ts";
import type { RemoteHost, RemoteOptions } from "./host.ts";
import { open, openAhead } from "./open.ts";
import { RemoteSession } from "./session.ts";
import { ShownReaders } from "./shown-readers.ts";
import { Told } from "./told.ts";

/** Pauses between attempts to open a new session, ms: doubled from the first up to the last. */
const RETRY_MS = { first: 100, last: 2_000 };
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

export interface RemoteServiceOptions extends RemoteOptions {
  readonly patience: Patience;
  /** Who we are, for people at the other end. */
  readonly about: string;
}

/** - `up`: connected. - `broken`: connecting again, everybody waits. - `gone`: no readers until there is a new session. */
export type LinkState = "up" | "broken" | "gone";

/** Opens the readers of a cardwire at the other end of `way`. @throws {CardwireError} why they cannot be. */
export async function remoteService(
  way: Way,
  options: RemoteServiceOptions,
  { signal }: { signal: AbortSignal },
): Promise<RemoteService> {
  const service = new RemoteService(way, options);
  try {
    await service.start(signal);
    return service;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/** The readers of another cardwire. A break of the line shorter than the session's patience shows only as a wait. */
export class RemoteService implements CardService, RemoteHost {
  /** @internal */
  readonly options: RemoteServiceOptions;
  /** @internal */
  readonly table = new ShownReaders();
  /** @internal */
  readonly holders = new Holders();
  /** @internal */
  readonly told = new Told();
  readonly #way: Way;
  readonly #life = new AbortController();
  readonly #state = new Watchable<LinkState>("gone");
  readonly #foresight = new Foresight();
  readonly #sessions = new Map<number, RemoteSession>();
  #link: LinkClient | undefined;
  #calls: Calls | undefined;
  #reopening: Promise<void> = Promise.resolve();
  #number = 0;

  /** Use {@link remoteService}. */
  constructor(way: Way, options: RemoteServiceOptions) {
    this.#way = way;
    this.options = options;
    setMaxListeners(0, this.#life.signal);
  }

  get readers(): readonly Reader[] {
    return this.table.shown.value;
  }

  get state(): LinkState {
    return this.#state.value;
  }

  /** The latest round trip to the other cardwire, ms; undefined until one was measured. */
  get roundTripMs(): number | undefined {
    return this.#link?.end.roundTripMs;
  }

  /** How often a session went on after a break. */
  get resumptions(): number {
    return this.#link?.resumptions ?? 0;
  }

  /** Who is at the other end, in its own words. */
  get server(): string {
    return this.#link?.granted.server ?? "";
  }

  /** @internal */
  get calls(): Calls | undefined {
    return this.#calls;
  }

  /** @throws {CardwireError} why there is no link. */
  async start(signal: AbortSignal): Promise<void> {
    using either = firstSignal(signal, this.#life.signal);
    await this.#open(either.signal);
  }

  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    using either = firstSignal(signal, this.#life.signal);
    yield* this.table.shown.follow(either);
  }

  async connect(
    reader: string,
    how: ConnectOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<{ session: CardSession; activeProtocol: number }> {
    signal.throwIfAborted();
    if (this.state === "gone" && !(await this.confirm()))
      throw new ReturnCodeError("SCardConnect", Rv.ReaderUnavailable);
    const calls = this.#calls;
    if (!calls) throw new ReturnCodeError("SCardConnect", Rv.ReaderUnavailable);
    const { share, protocols } = how;
    const asked = { reader, share, protocols };
    const foreseen = this.#foresee(asked);
    if (foreseen !== undefined) {
      const ahead = openAhead(this, calls, asked, foreseen);
      const session = new RemoteSession(this, reader, ahead);
      void ahead.refused.then((rv) => rv !== undefined && session.refuse(rv)); // never rejects
      return { session, activeProtocol: foreseen };
    }
    const before = this.table.seen(reader);
    const connecting = () => open(this, calls, asked, signal);
    const opened = await this.holders.whileWaiting(reader, connecting);
    if (before) this.#foresight.learn(before, protocols, opened.activeProtocol);
    const session = new RemoteSession(this, reader, opened);
    return { session, activeProtocol: opened.activeProtocol };
  }

  /** @internal */
  number(): number {
    this.#number = (this.#number % 0xffff_fffe) + 1;
    return this.#number;
  }

  /** @internal */
  began(card: number, session: RemoteSession): void {
    this.#sessions.set(card, session);
  }

  /** @internal */
  ended(card: number): void {
    this.#sessions.delete(card);
  }

  /** @internal */
  async confirm(): Promise<boolean> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), CONFIRM_MS);
    using either = firstSignal(late.signal, this.#life.signal);
    try {
      for await (const state of this.#state.follow(either)) if (state === "up") return true;
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new CardwireError("E_CLOSED", "the service was closed"));
    await this.#link?.close();
    this.#lose(new CardwireError("E_CLOSED", "the service was closed"));
    await this.#reopening;
  }

  /** Opens a session, and resolves when its readers are known. */
  async #open(signal: AbortSignal): Promise<void> {
    const listed = deferred();
    listed.promise.catch(() => {}); // it is waited for below, if the session is opened at all
    let calls: Calls | undefined;
    const isPresent = (): boolean => calls !== undefined && this.#calls === calls;
    const link = await openLink(
      {
        dial: (within) => this.#way.open(within),
        secret: this.#way.secret,
        patience: this.options.patience,
        about: this.options.about,
        owner: {
          frame: (frame) => {
            if (isPresent()) this.#take(frame);
            if (frame.type === Type.Readers) listed.resolve();
          },
          down: (reason) => {
            if (isPresent()) this.#enter("broken", reason);
          },
          up: () => {
            if (isPresent()) this.#enter("up");
          },
          over: (reason) => {
            listed.reject(reason);
            if (isPresent()) this.#over(reason);
          },
        },
      },
      { signal },
    );
    this.#link = link;
    calls = new Calls(link.end);
    this.#calls = calls;
    calls.watch(true);
    const stop = () => listed.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      await listed.promise;
      this.#enter("up");
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** The protocol of a connect whose outcome is certain, as far as anybody here can know. */
  #foresee(how: {
    readonly reader: string;
    readonly share: number;
    readonly protocols: number;
  }): number | undefined {
    const { reader, share, protocols } = how;
    const seen = this.table.seen(reader);
    if (!this.options.pipelining || !seen || this.#calls?.isUp !== true) return undefined;
    if (this.table.find(reader)?.othersMayHold !== false) return undefined;
    if (!this.holders.isFreeFor(reader, this)) return undefined;
    return this.#foresight.protocolOf(seen, share, protocols);
  }

  #take(frame: SessionFrame): void {
    if (!isForClient(frame))
      throw new ProtocolError(`${nameOfType(frame.type)} is not for a client`);
    switch (frame.type) {
      case Type.Result:
        return this.#calls?.answer(frame);
      case Type.Notice:
        return this.#sessions.get(frame.body.card)?.doubt();
      case Type.Readers: {
        const before = this.table.list;
        const now = decodeReaders(before, frame.body.length, frame.tail);
        for (const old of before)
          if (!now.includes(old))
            this.#compare(
              old,
              now.find(({ name }) => name === old.name),
            );
        this.table.set(now);
        this.#foresight.keepOnly(now);
        this.told.keepOnly(now);
        return;
      }
    }
  }

  /** A reader changed: where its card may have been reset or changed, its handles have to ask. */
  #compare(old: Reader, now: Reader | undefined): void {
    const isSame =
      now !== undefined &&
      now.eventCounter === old.eventCounter &&
      now.stateBits === old.stateBits &&
      (now.protocol === old.protocol || old.protocol === 0);
    if (!isSame) this.holders.changed(old.name);
  }

  /** The session cannot be resumed: handles are lost, and another session is opened. */
  #over(reason: CardwireError): void {
    this.#lose(reason);
    if (!this.#life.signal.aborted) this.#reopening = this.#reopen();
  }

  #lose(reason: CardwireError): void {
    const calls = this.#calls;
    this.#calls = undefined;
    for (const session of this.#sessions.values()) session.lost();
    this.#sessions.clear();
    this.table.clear();
    this.#enter("gone", reason);
    calls?.lose(reason);
  }

  async #reopen(): Promise<void> {
    const { signal } = this.#life;
    for (let pause = RETRY_MS.first; !signal.aborted; pause = Math.min(pause * 2, RETRY_MS.last)) {
      try {
        await this.#open(signal);
        return;
      } catch {
        await sleep(pause, undefined, { signal, ref: false }).catch(() => {}); // then the loop ends
      }
    }
  }

  #enter(state: LinkState, reason?: unknown): void {
    if (state === this.state) return;
    this.#state.set(state);
    emit("cardwire:link", () => ({
      at: this.#way.name,
      state,
      ...(reason instanceof Error && { reason: reason.message }),
    }));
  }
}
