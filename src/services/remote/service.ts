import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { CardService, Connected, ConnectOptions, Reader } from "../../domain/card-service.ts";
import { CardwireError, ProtocolError, ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import type { Lease, LeaseWish, Leasing } from "../../domain/leasing.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { SessionFrame } from "../../link/end.ts";
import type { Patience } from "../../link/hall.ts";
import { isForClient, nameOfType, Type } from "../../wire/link/frames.ts";
import { decodeReaders, type LinkedReader } from "../../wire/link/reader-list.ts";
import type { Calls } from "./calls.ts";
import { figuresOf, type LinkFigures } from "./figures.ts";
import { Foresight } from "./foresight.ts";
import { Handles } from "./handles.ts";
import { Holders } from "./holders.ts";
import type { RemoteHost, RemoteOptions } from "./host.ts";
import { RemoteLeases } from "./leases.ts";
import { open, openAhead } from "./open.ts";
import { type LinkState, Presence, type Way } from "./presence.ts";
import { Rest } from "./rest.ts";
import { RemoteSession } from "./session.ts";
import { ShownReaders } from "./shown-readers.ts";
import { Told } from "./told.ts";

/** How long the first measurement of a round trip may take, ms, and how often it is looked at. */
const ROUND_TRIP_MS = 3_000;
const LOOK_MS = 5;

export interface RemoteServiceOptions extends RemoteOptions {
  readonly patience: Patience;
  /** Who we are, for people at the other end. */
  readonly about: string;
  /** How long nobody may use the readers until the other end may rest, ms. Never, unless told. */
  readonly restAfterMs?: number | undefined;
}

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
export class RemoteService implements CardService, RemoteHost, Leasing {
  /** @internal */
  readonly options: RemoteServiceOptions;
  /** @internal */
  readonly table = new ShownReaders();
  /** @internal */
  readonly holders = new Holders();
  /** @internal */
  readonly told = new Told();
  readonly #life = new AbortController();
  readonly #presence: Presence;
  readonly #rest: Rest;
  readonly #foresight = new Foresight();
  readonly #handles = new Handles();
  readonly #leases: RemoteLeases;

  /** Use {@link remoteService}. */
  constructor(way: Way, options: RemoteServiceOptions) {
    this.options = options;
    setMaxListeners(0, this.#life.signal);
    const { patience, about, restAfterMs } = options;
    this.#rest = new Rest({
      afterMs: restAfterMs,
      isNeeded: () => this.#handles.size > 0 || !this.calls,
      tell: (isWanted) => this.calls?.watch(isWanted),
    });
    const frame = (one: SessionFrame) => this.#take(one);
    const lost = () => this.#lost();
    this.#presence = new Presence({ way, patience, about, frame, lost }, this.#life.signal);
    this.#leases = new RemoteLeases(this, this.#presence);
  }

  get readers(): readonly Reader[] {
    return this.table.shown.value;
  }

  get state(): LinkState {
    return this.#presence.state;
  }

  /** Why there is no link, once another one was tried in vain. */
  get failure(): CardwireError | undefined {
    return this.#presence.failure;
  }

  get figures(): LinkFigures {
    return figuresOf(this.#presence);
  }

  /** The latest round trip, ms, once one was measured. @returns undefined when that takes too long. */
  async roundTrip({ signal }: { signal: AbortSignal }): Promise<number | undefined> {
    const end = performance.now() + ROUND_TRIP_MS;
    while (this.figures.roundTripMs === undefined && performance.now() < end)
      await sleep(LOOK_MS, undefined, { signal });
    return this.figures.roundTripMs;
  }

  /** Resolves when the link is lost for good, or was ended by the other end: handles are gone then. */
  async lost({ signal }: { signal: AbortSignal }): Promise<void> {
    await this.#presence.until("gone", { signal });
  }

  /** Who is at the other end, in its own words. */
  get server(): string {
    return this.#presence.link?.granted.server ?? "";
  }

  /** @internal */
  get calls(): Calls | undefined {
    return this.#presence.calls;
  }

  /** @throws {CardwireError} why there is no link. */
  async start(signal: AbortSignal): Promise<void> {
    using either = firstSignal(signal, this.#life.signal);
    await this.#presence.open(either.signal);
    this.#rest.renew();
  }

  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    using either = firstSignal(signal, this.#life.signal);
    try {
      await this.#rest.use(either.signal);
      yield* this.table.shown.follow(either);
    } finally {
      this.#rest.unuse();
    }
  }

  async connect(
    reader: string,
    how: ConnectOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<Connected> {
    signal.throwIfAborted();
    try {
      await this.#rest.use(signal);
      signal.throwIfAborted();
      return await this.#connect(reader, how, { signal });
    } finally {
      this.#rest.unuse();
    }
  }

  async #connect(
    reader: string,
    how: ConnectOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<Connected> {
    const isBack = this.state !== "gone" || (await this.confirm({ signal }));
    signal.throwIfAborted();
    if (!isBack) throw new ReturnCodeError("SCardConnect", Rv.ReaderUnavailable);
    const calls = this.calls;
    if (!calls) throw new ReturnCodeError("SCardConnect", Rv.ReaderUnavailable);
    const { share, protocols } = how;
    const asked = { reader, share, protocols };
    const before = this.table.seen(reader);
    const foreseen = this.#foresee(asked);
    if (foreseen !== undefined) {
      if (before) this.#foresight.learn(before, protocols, foreseen);
      const ahead = openAhead(this, calls, asked, foreseen);
      const session = new RemoteSession(this, reader, ahead);
      void ahead.refused.then((rv) => rv !== undefined && session.refuse(rv)); // never rejects
      return { session, activeProtocol: foreseen };
    }
    const connecting = () => open(this, calls, asked, signal);
    const opened = await this.holders.whileWaiting(reader, connecting);
    if (before) this.#foresight.learn(before, protocols, opened.activeProtocol);
    const session = new RemoteSession(this, reader, opened);
    return { session, activeProtocol: opened.activeProtocol };
  }

  /** A lease at the card host. It goes on through breaks of the line, and ends when the link is lost for good. */
  async lease(reader: string, wish: LeaseWish, within: { signal: AbortSignal }): Promise<Lease> {
    try {
      await this.#rest.use(within.signal);
      return await this.#leases.lease(reader, wish, within);
    } finally {
      this.#rest.unuse();
    }
  }

  /** @internal */
  number(reader: string): number {
    return this.#handles.number(reader);
  }

  /** @internal */
  began(card: number, session: RemoteSession): void {
    this.#handles.open(card, session);
    this.table.opened(session.reader);
  }

  /** @internal */
  ended(card: number): void {
    const reader = this.#handles.readerOf(card);
    if (this.#handles.close(card) && reader !== undefined) this.table.closed(reader);
  }

  /** @internal */
  async confirm(options: { signal: AbortSignal }): Promise<boolean> {
    return await this.#presence.confirm(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new CardwireError("E_CLOSED", "the service was closed"));
    this.#rest.close();
    await this.#presence.close();
  }

  /** The protocol of a connect whose outcome is certain, as far as anybody here can know. */
  #foresee(how: {
    readonly reader: string;
    readonly share: number;
    readonly protocols: number;
  }): number | undefined {
    const { reader, share, protocols } = how;
    const seen = this.table.seen(reader);
    if (!this.options.pipelining || !seen || this.calls?.isUp !== true) return undefined;
    if (this.table.find(reader)?.othersMayHold !== false) return undefined;
    if (!this.holders.isFreeFor(reader, this)) return undefined;
    return this.#foresight.protocolOf(seen, share, protocols);
  }

  #take(frame: SessionFrame): void {
    if (!isForClient(frame))
      throw new ProtocolError(`${nameOfType(frame.type)} is not for a client`);
    switch (frame.type) {
      case Type.Result:
        return this.calls?.answer(frame);
      case Type.Notice:
        return this.#notice(frame.body.card);
      case Type.Leased:
      case Type.Place:
      case Type.LeaseOver:
        return this.#leases.take(frame);
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
        this.#rest.awake();
        return;
      }
    }
  }

  /**
   * The other end knows of something that this handle has not been told. Whatever was answered before is no longer
   * believed, an answer that came in one piece with this among it, which nobody has looked at yet.
   */
  #notice(card: number): void {
    const reader = this.#handles.readerOf(card);
    if (reader !== undefined) this.holders.changed(reader);
  }

  /**
   * A reader changed: where its card may have been reset or changed, its handles have to ask. Others who had the card
   * may have reset it as the last thing that they did.
   */
  #compare(old: LinkedReader, now: LinkedReader | undefined): void {
    const isSame =
      now !== undefined &&
      (now.othersMayHold || !old.othersMayHold) &&
      now.eventCounter === old.eventCounter &&
      now.stateBits === old.stateBits &&
      (now.protocol === old.protocol || old.protocol === 0);
    if (!isSame) this.holders.changed(old.name);
  }

  #lost(): void {
    this.#handles.lost();
    this.#leases.lost();
    this.table.clear();
    this.#rest.renew();
  }
}
