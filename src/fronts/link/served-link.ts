import type { CardService, Reader } from "../../domain/card-service.ts";
import { ProtocolError, ReturnCodeError } from "../../domain/errors.ts";
import type { Leasing } from "../../domain/leasing.ts";
import { Disposition } from "../../domain/pcsc.ts";
import type { Principal } from "../../domain/principal.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { SessionFrame } from "../../link/end.ts";
import type { Serving } from "../../link/hall.ts";
import { encodeAnswers } from "../../wire/link/answers.ts";
import { Flag, isForServer, nameOfType, Type } from "../../wire/link/frames.ts";
import { encodeReaders, type LinkedReader } from "../../wire/link/reader-list.ts";
import { type Answer, type AnsweringEnd, type CallFrame, fitting, kept } from "./call-frame.ts";
import { ReaderOrder } from "./order.ts";
import { Others } from "./others.ts";
import { ServedCard } from "./served-card.ts";
import { ServedLeases } from "./served-leases.ts";

/** Handles of one link, and calls of one handle that wait. A cardwire at the other end keeps to less. */
const MAX_CARDS = 2_000;
const MAX_WAITING = 64;
/** Lists of readers that may be on the way; while more are, changes are put together. */
const MAX_LISTS = 8;
/** How often handles are asked whether a program of this computer reset their card, ms. */
const LOOK_MS = 200;

/** Serves one link: carries out the calls of the programs at its other end, and tells of the readers. */
export class ServedLink implements Serving {
  readonly #service: CardService;
  readonly #end: AnsweringEnd;
  readonly #principal: Principal;
  readonly #cards = new Map<number, ServedCard>();
  readonly #order = new ReaderOrder();
  readonly #others: Others;
  readonly #leases: ServedLeases;
  readonly #life = new AbortController();
  readonly #noticed = new Set<number>();
  /** Of all handles so far. */
  #highest = 0;
  #told: readonly LinkedReader[] = [];
  /** From what {@link #told} was made. */
  #seen: readonly Reader[] = [];
  #watching: AbortController | undefined;
  /** Whether the time of transactions is over, and no connection there since. */
  #isLate = false;
  #look: NodeJS.Timeout | undefined;

  /** @param leasing gives leases to the principal; absent where nobody does. */
  constructor(service: CardService, end: AnsweringEnd, principal: Principal, leasing?: Leasing) {
    this.#service = service;
    this.#end = end;
    this.#principal = principal;
    this.#others = new Others(service, this.#cards);
    this.#leases = new ServedLeases(end, leasing);
  }

  /** Those that are connected, and those that were refused and not given up. */
  get handles(): number {
    return this.#cards.size;
  }

  up(): void {
    this.#isLate = false;
  }

  down(): void {}

  /** @throws {ProtocolError} for what a cardwire never sends. */
  frame(frame: SessionFrame): void {
    if (!isForServer(frame))
      throw new ProtocolError(`${nameOfType(frame.type)} is not for a server`);
    switch (frame.type) {
      case Type.Connect:
        return this.#connect(frame.body);
      case Type.Begin:
      case Type.End:
      case Type.Transmit:
      case Type.Control:
      case Type.Status:
      case Type.GetAttribute:
      case Type.SetAttribute:
      case Type.Reconnect:
      case Type.Disconnect:
        return this.#call(kept(frame));
      case Type.Abandon:
        return this.#abandon(frame.body);
      case Type.Cancel:
        return this.#cancel(frame.body.card);
      case Type.Watch:
        return this.#watch(frame.body.on !== 0);
      case Type.Lease:
      case Type.Renew:
      case Type.Release:
        return this.#leases.frame(frame);
    }
  }

  unlock(): void {
    this.#isLate = true;
    for (const card of this.#cards.values()) {
      const held = card.holds;
      if (!held && card.waiting === 0) continue;
      // What waits now may yet be granted, and nobody be there who ends it.
      const unlock = async (): Promise<void> => {
        if (held || this.#isLate) await card.unlock();
      };
      void card.inTurn(unlock).catch(() => {}); // whatever it was, it is over
    }
  }

  over(): void {
    this.#life.abort();
    this.#watching?.abort();
    clearInterval(this.#look);
    for (const card of this.#cards.values()) void card.abandon(); // never rejects, as its contract says
    this.#cards.clear();
    this.#leases.over();
  }

  #connect(body: Extract<SessionFrame, { type: typeof Type.Connect }>["body"]): void {
    const { card: number, reader } = body;
    if (this.#cards.has(number)) throw new ProtocolError(`handle ${number} is there already`);
    if (this.#cards.size >= MAX_CARDS) throw new ProtocolError("too many handles");
    const card = new ServedCard(this.#service, reader, this.#principal, this.#end.paced);
    this.#cards.set(number, card);
    this.#highest = Math.max(this.#highest, number);
    this.#others.connecting(reader);
    const connect = () => card.connect(body);
    const isEarly = (body.flags & Flag.Early) !== 0;
    const job = isEarly ? this.#order.connecting(number, connect) : connect;
    this.#run(body, card, job, { waits: true });
    this.#lookAfter();
  }

  #call(frame: CallFrame): void {
    const { card: number } = frame.body;
    const card = this.#cards.get(number);
    if (!card) throw new ProtocolError(`there is no handle ${number}`);
    if (card.waiting >= MAX_WAITING) throw new ProtocolError("too many calls on one handle");
    if (!card.isCounted) this.#others.connecting(card.reader);
    const isLast = frame.type === Type.Disconnect;
    const waits = isLast && frame.body.disposition !== Disposition.Leave;
    const job = async () => {
      const answer = await card.call(frame);
      if (frame.type === Type.Reconnect) this.#noticed.delete(number); // and what was found before it
      if (isLast && this.#cards.get(number) === card) this.#forget(number);
      return answer;
    };
    this.#run(frame.body, card, job, { waits });
  }

  /** It may have ended meanwhile, but never one that nobody connected: numbers rise. */
  #cancel(number: number): void {
    if (number > this.#highest) throw new ProtocolError(`there is no handle ${number}`);
    this.#cards.get(number)?.cancel();
  }

  #abandon(body: { readonly card: number; readonly call: number; readonly flags: number }): void {
    const card = this.#cards.get(body.card);
    if (!card) throw new ProtocolError(`there is no handle ${body.card}`);
    this.#forget(body.card);
    // What is under way is not waited for here: the service does, as long as it has to.
    const done = card.abandon().then(() => ({}));
    this.#answer(body, done);
    this.#order.add(card.reader, body.card, done);
  }

  /**
   * Runs a call in its turn, and tells what it came to, if anybody waits for that.
   *
   * @param how.waits whether it would wait for another program's transaction.
   */
  #run(
    body: { readonly card: number; readonly call: number; readonly flags: number },
    card: ServedCard,
    job: () => Promise<Answer>,
    { waits }: { readonly waits: boolean },
  ): void {
    const bounded = async () => fitting(await job());
    const after = this.#order.before(card.reader, body.card, waits);
    const isEarly = (body.flags & Flag.Early) !== 0;
    const done = card.inTurn(bounded, { after, isEarly });
    this.#answer(body, done);
    if (!isEarly) return;
    this.#order.add(
      card.reader,
      body.card,
      done.catch(() => {}),
    );
  }

  #answer(
    { call, flags }: { readonly call: number; readonly flags: number },
    done: Promise<Answer>,
  ): void {
    done.then(
      ({ protocol, data = NOTHING, ahead: answers = [] }) => {
        this.#tellReaders();
        if (call === 0) return this.#end.unanswered?.();
        const ahead = answers.length === 0 ? NOTHING : encodeAnswers(answers);
        const body = {
          call,
          rv: Rv.Success,
          protocol: protocol ?? 0,
          length: -1,
          ahead: ahead.length,
        };
        const tail = ahead.length === 0 ? data : Buffer.concat([data, ahead]);
        this.#end.send(Type.Result, body, tail, { soon: (flags & Flag.Early) !== 0 });
      },
      (error: unknown) => {
        this.#tellReaders();
        if (call === 0) return this.#end.unanswered?.();
        const { rv, told } =
          error instanceof ReturnCodeError
            ? error
            : new ReturnCodeError("", Rv.ReaderUnavailable, { cause: error });
        const { activeProtocol: protocol = 0, length = -1 } = told;
        const said = { call, rv, protocol, length, ahead: 0 };
        this.#end.send(Type.Result, said, NOTHING, { soon: (flags & Flag.Early) !== 0 });
      },
    );
  }

  #forget(number: number): void {
    this.#cards.delete(number);
    this.#noticed.delete(number);
    this.#lookAfter();
  }

  // The readers.

  #watch(on: boolean): void {
    if (on === (this.#watching !== undefined)) return;
    this.#watching?.abort();
    this.#watching = on ? new AbortController() : undefined;
    if (this.#watching) void this.#follow(this.#watching.signal); // never rejects
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const _ of this.#service.watch({ signal })) {
      await this.#end.drained(MAX_LISTS, { signal });
      if (!signal.aborted) this.#tellReaders({ always: true });
    }
  }

  /** Tells what changed. What a call changed is told before what it came to. */
  #tellReaders({ always = false } = {}): void {
    if (!this.#watching) return;
    const { readers } = this.#service;
    if (readers === this.#seen && !always && !this.#others.mayLeave) return;
    const isFirst = this.#told.length === 0 && this.#seen.length === 0;
    const now = readers.map((reader) => ({
      ...reader,
      othersMayHold: this.#others.mayHold(reader),
    }));
    this.#seen = readers;
    const { length, tail } = encodeReaders(this.#told, now);
    const isSame = length === this.#told.length && tail.length === length * INDEX_BYTES;
    this.#told = now;
    if (!isSame || isFirst || always) this.#end.send(Type.Readers, { length }, tail);
  }

  // Notices.

  #lookAfter(): void {
    const isWanted = this.#cards.size > 0 && !this.#life.signal.aborted;
    if (isWanted === (this.#look !== undefined)) return;
    clearInterval(this.#look);
    this.#look = isWanted ? setInterval(() => this.#lookForNotices(), LOOK_MS) : undefined;
    this.#look?.unref();
  }

  #lookForNotices(): void {
    for (const [number, card] of this.#cards) {
      if (!card.isIdle || this.#noticed.has(number) || !this.#others.use(card.reader)) continue;
      const looked = card.inTurn(() => card.notice());
      looked.then(
        (rv) => {
          if (rv === undefined || this.#cards.get(number) !== card) return;
          this.#noticed.add(number);
          this.#end.send(Type.Notice, { card: number, rv });
        },
        () => {}, // the next call is told
      );
    }
  }
}

const NOTHING = new Uint8Array(0);
const INDEX_BYTES = 4;
