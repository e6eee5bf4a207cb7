import type { CardService, Connected, ConnectOptions, Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { LeaseError } from "../../domain/leasing.ts";
import { Rv } from "../../domain/return-codes.ts";
import { withDefaults } from "../../domain/with-defaults.ts";
import { Desk } from "./desk.ts";
import type { ArbiterEvent } from "./events.ts";
import type { HandOverPolicy } from "./hand-over.ts";
import { Lease, type LeaseOptions, takeLease } from "./lease.ts";
import { type ArbiterLimits, DEFAULT_LIMITS } from "./limits.ts";
import type { Place } from "./queue.ts";
import { ArbitratedSession } from "./session.ts";
import { type VisitedCard, visit } from "./visit.ts";

export interface ArbiterOptions {
  /** What happens between two identities at one card; `reset` unless told. Asked each time. */
  readonly policy?: (reader: string) => HandOverPolicy;
  /** How long an identity may keep others waiting; {@link DEFAULT_LIMITS} for what it does not say. Asked each time. */
  readonly limits?: (identity: string) => Partial<ArbiterLimits>;
  /**
   * How late `inner` may be to tell that a handle was closed, ms; 600 unless told: pcscd looks every 400. For so long
   * such a handle is not taken for another program's, and another program's may be taken for it.
   */
  readonly lateMs?: number;
  readonly onEvent?: (event: ArbiterEvent) => void;
}

/** Who has a card, and who waits for it. */
export interface Attendance {
  /** Whose turn it is, or who has it exclusively. */
  readonly holder: string | undefined;
  readonly lease: Pick<Lease, "identity" | "fence"> | undefined;
  readonly waiting: readonly Place[];
}

/**
 * `inner`, for several identities ({@link ConnectOptions.principal}) who meet at its cards: each card in order of
 * arrival and handed over at once, nobody for longer than the limits say, and reset between one identity and the next.
 * Disposing it disposes `inner`.
 *
 * Where pcscd answers `SCARD_E_SHARING_VIOLATION` because of somebody who comes through here as well, the call waits
 * for its turn instead.
 */
export class Arbiter implements CardService {
  readonly #inner: CardService;
  readonly #policy: (reader: string) => HandOverPolicy;
  readonly #limits: (identity: string) => ArbiterLimits;
  readonly #lateMs: number;
  readonly #onEvent: (event: ArbiterEvent) => void;
  readonly #desks = new Map<string, Desk>();
  readonly #closed = new AbortController();
  #isFollowing = false;

  constructor(
    inner: CardService,
    {
      policy = () => "reset",
      limits = () => ({}),
      lateMs = 600,
      onEvent = () => {},
    }: ArbiterOptions = {},
  ) {
    this.#inner = inner;
    this.#policy = policy;
    this.#limits = withDefaults(DEFAULT_LIMITS, limits);
    this.#lateMs = lateMs;
    this.#onEvent = onEvent;
  }

  get readers(): readonly Reader[] {
    return this.#inner.readers;
  }

  watch(options: { signal: AbortSignal }): AsyncIterable<readonly Reader[]> {
    return this.#inner.watch(options);
  }

  async connect(
    reader: string,
    how: ConnectOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<Connected> {
    const call = "SCardConnect";
    const desk = this.#deskOf(reader);
    if (!desk) return await this.#inner.connect(reader, how, { signal }); // which says why not
    const { name: identity } = how.principal;
    this.#admit(desk, identity);
    const withinMs = this.#limits(identity).connectMs;
    await desk.makeWay(identity);
    // Where somebody has it exclusively pcscd says so at once.
    const turn = desk.isExclusive
      ? undefined
      : await desk.take(identity, { call, signal, withinMs });
    this.#follow();
    try {
      this.#admit(desk, identity);
      const { session, activeProtocol } = await desk.connect(how, { signal });
      const { share, protocols } = how;
      const arbitrated = new ArbitratedSession(session, desk, {
        identity,
        how: { share, protocols },
      });
      return { session: arbitrated, activeProtocol };
    } finally {
      turn?.give();
    }
  }

  /**
   * Waits for its turn, and then keeps the reader's card for one identity. Disposing it ends it.
   *
   * @throws {LeaseError} when there is no such reader, or this identity has a lease of it already.
   */
  async lease(
    reader: string,
    options: LeaseOptions,
    within: { signal: AbortSignal },
  ): Promise<Lease> {
    const desk = this.#deskOf(reader);
    if (!desk) throw new LeaseError("unknown", `there is no reader ${JSON.stringify(reader)}`);
    this.#follow();
    return await takeLease(desk, options, within);
  }

  /**
   * Takes the card from whoever holds it, and ends a lease of it. Those who wait go on.
   *
   * @returns who had it; undefined where nobody had.
   */
  async kick(reader: string): Promise<string | undefined> {
    const desk = this.#desks.get(reader);
    const lease = desk?.tenure;
    if (!desk) return undefined;
    const had = lease?.identity ?? this.attendance(reader).holder;
    if (lease instanceof Lease) await lease.release("kick");
    await Promise.all([...desk.sessions].map((session) => session.take("kick")));
    return had;
  }

  /**
   * Sends something to a card that nobody uses, in a turn and a transaction of its own, and leaves it reset: see
   * {@link visit}.
   *
   * @throws {ReturnCodeError} `SCARD_E_SHARING_VIOLATION` when somebody uses it.
   */
  async visit<T>(
    reader: string,
    job: (card: VisitedCard) => Promise<T>,
    within: { signal: AbortSignal },
  ): Promise<T> {
    const desk = this.#deskOf(reader);
    if (!desk) throw new ReturnCodeError("SCardConnect", Rv.UnknownReader);
    this.#follow();
    desk.look(); // whoever follows the readers, too, may have been told before us
    return await visit(desk, job, within);
  }

  /** Whether the card is reset before this identity's next command. */
  isHandOverDue(reader: string, identity: string): boolean {
    return this.#desks.get(reader)?.isHandOverDue(identity) ?? false;
  }

  /** Who has the reader's card now, and who waits for it, in order. */
  attendance(reader: string): Attendance {
    const desk = this.#desks.get(reader);
    const { holder = desk?.alone?.identity, places = [] } = desk?.queue ?? {};
    return { holder, lease: desk?.tenure, waiting: places };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#inner[Symbol.asyncDispose]();
  }

  /** @throws {ReturnCodeError} why this identity may have no further handle. */
  #admit({ reader, policy, sessions }: Desk, identity: string): void {
    const refuse = (rv: number, why: string) => {
      this.#onEvent({ type: "refused", what: "connect", reader, identity, why });
      return new ReturnCodeError("SCardConnect", rv);
    };
    let own = 0;
    for (const session of sessions)
      if (session.identity === identity) own += 1;
      else if (policy === "exclusive")
        throw refuse(Rv.SharingViolation, `${session.identity} has handles on it`);
    if (own >= this.#limits(identity).sessions) throw refuse(Rv.ServerTooBusy, "too many handles");
  }

  #deskOf(reader: string): Desk | undefined {
    const known = this.#desks.get(reader);
    if (known || !this.#inner.readers.some(({ name }) => name === reader)) return known;
    const desk = new Desk({
      reader,
      service: this.#inner,
      policy: this.#policy,
      limits: this.#limits,
      lateMs: this.#lateMs,
      onEvent: this.#onEvent,
    });
    this.#desks.set(reader, desk);
    return desk;
  }

  /** Looks after the cards from the first handle on: also while there is none, others may use them. */
  #follow(): void {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    void this.#lookAfter(); // ends by the signal, and never rejects
  }

  async #lookAfter(): Promise<void> {
    for await (const _ of this.#inner.watch({ signal: this.#closed.signal }))
      for (const desk of this.#desks.values()) desk.look();
  }
}
