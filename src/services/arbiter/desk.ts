import type { CardService, Connected, ConnectOptions, Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, ReaderStateBit } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { ArbiterEvent } from "./events.ts";
import { type HandOverPolicy, isHandOverDue, UNKNOWN, UNUSED, type Use } from "./hand-over.ts";
import { Handles } from "./handles.ts";
import type { ArbiterLimits } from "./limits.ts";
import { Queue, type TakeOptions, type Turn } from "./queue.ts";
import type { Tenure } from "./tenure.ts";

/** One handle, as the others on the same card see it. */
export interface Neighbour {
  readonly identity: string;
  /** Whether it has the card exclusively, in PC/SC's sense. */
  readonly isExclusive: boolean;
  /** Which limit its exclusive access is beyond. */
  readonly overstays: "idle" | "total" | undefined;
  /** Whether nothing of its reaches the card before it is reconnected. pcscd is asked. Never rejects. */
  isOut(): Promise<boolean>;
  /** The card was reset. @param wantedBy the identity of the program that asked for it; undefined at a hand-over. */
  wasReset(wantedBy: string | undefined): void;
  /** The card went away, and transactions with it. */
  wasMoved(): void;
  /** The lease with that number is over. Resolves when nothing sent under it is under way. Never rejects. */
  endTenure(fence: number): Promise<void>;
  /** Takes away its transaction, or its exclusive access, and resets the card. Never rejects. */
  take(why: "idle" | "total" | "kick" | "lease"): Promise<void>;
}

/** A handle that keeps pcscd's lock for a moment after its turn, so that a program of the card host cannot come between. */
export interface Lingering {
  /** Gives it back now. Never rejects. */
  letGo(): Promise<void>;
}

export interface DeskOptions {
  readonly reader: string;
  readonly service: CardService;
  readonly policy: (reader: string) => HandOverPolicy;
  readonly limits: (identity: string) => ArbiterLimits;
  /** How long a handle that was closed may still be counted, ms. */
  readonly lateMs: number;
  readonly onEvent: (event: ArbiterEvent) => void;
}

/** What is known of one card, and who is at it. */
export class Desk {
  readonly reader: string;
  readonly queue: Queue;
  readonly limits: (identity: string) => ArbiterLimits;
  readonly tell: (event: ArbiterEvent) => void;
  readonly #handles: Handles;
  readonly #service: CardService;
  readonly #policy: (reader: string) => HandOverPolicy;
  readonly #sessions = new Set<Neighbour>();
  /** Whether the card is being visited: see {@link visit}. */
  isVisited = false;
  /** Whether other programs have handles now, and had since the last reset. */
  #foreign = { now: false, since: false };
  /** What was before we came is not known. */
  #use: Use = UNKNOWN;
  /** The policy under which that came to be. */
  #usedUnder: HandOverPolicy | undefined;
  #eventCounter: number | undefined;
  /** The event counter of an empty reader. */
  #emptyAt: number | undefined;
  /** Who keeps pcscd's lock although it is nobody's turn. */
  lingering: Lingering | undefined;
  /** The lease in force. */
  tenure: Tenure | undefined;

  constructor({ reader, service, policy, limits, lateMs, onEvent }: DeskOptions) {
    this.reader = reader;
    this.#service = service;
    this.#handles = new Handles(lateMs);
    this.#policy = policy;
    this.limits = limits;
    this.tell = onEvent;
    this.queue = new Queue((identity) => limits(identity).waiting);
    const { eventCounter, stateBits = 0 } = this.#state ?? {};
    this.#eventCounter = eventCounter;
    if ((stateBits & ReaderStateBit.Present) === 0) this.#emptyAt = eventCounter;
  }

  /** What holds now between two identities at this card. */
  get policy(): HandOverPolicy {
    return this.#policy(this.reader);
  }

  get sessions(): ReadonlySet<Neighbour> {
    return this.#sessions;
  }

  /** Whether programs that do not come through here have handles on the card. pcscd tells up to 0.4 s late. */
  get hasForeign(): boolean {
    return this.#handles.hasOthers(this.#state?.sharing ?? 0);
  }

  /** Whether a turn that ends leaves the card to programs that do not come through here, and to nobody who waits. */
  get isExposed(): boolean {
    return this.policy !== "shared" && this.hasForeign && !this.queue.isWanted;
  }

  get hasCard(): boolean {
    return this.#state?.atr !== undefined;
  }

  /** The protocol that is active, as PC/SC numbers them; 0 where none was negotiated. */
  get protocol(): number {
    return this.#state?.protocol ?? 0;
  }

  /** Whether somebody has a handle on the card who is none of its sessions, or is about to have one. */
  get isCrowded(): boolean {
    return this.isVisited || this.#handles.isOpening || this.isExclusive || this.hasForeign;
  }

  /** Whether nothing was sent to the card since it was powered up. */
  get isUnused(): boolean {
    return this.#use.kind === "nobody" && !this.#foreign.since;
  }

  /** Whether somebody holds the card exclusively, in PC/SC's sense, and for longer than a visit. */
  get isExclusive(): boolean {
    return !this.isVisited && (this.#state?.sharing ?? 0) < 0;
  }

  /** Whose handle has the card exclusively, if one of ours has. */
  get alone(): Neighbour | undefined {
    for (const session of this.#sessions) if (session.isExclusive) return session;
    return undefined;
  }

  /**
   * Somebody would like to have the card: exclusive access of another identity's, of which that has had too much, is
   * taken away. @returns whose it is still, if somebody's. Never rejects.
   */
  async makeWay(identity: string): Promise<string | undefined> {
    const { alone } = this;
    if (!alone || alone.identity === identity) return undefined;
    const why = alone.overstays;
    if (!why) return alone.identity;
    await alone.take(why);
    return this.alone?.identity;
  }

  /** Who used the card last, where that is known. */
  get lastUser(): string | undefined {
    return this.#use.kind === "identity" ? this.#use.identity : undefined;
  }

  /** See {@link Queue.take}. @param own what may linger on, for it is the asker's. */
  async take(identity: string, options: TakeOptions, own?: Lingering): Promise<Turn> {
    const turn = await this.queue.take(identity, options).catch((error: unknown) => {
      if (error instanceof ReturnCodeError && error.rv === Rv.ServerTooBusy) {
        const why = `${this.limits(identity).waiting} of his calls wait`;
        this.tell({ type: "refused", what: "wait", reader: this.reader, identity, why });
      }
      throw error;
    });
    if (this.lingering !== own) await this.lingering?.letGo();
    return turn;
  }

  /** Opens a handle, which counts as one of ours. @throws {ReturnCodeError} as SCardConnect. */
  async connect(how: ConnectOptions, options: { signal: AbortSignal }): Promise<Connected> {
    this.look(); // whoever is there is not taken for the one who comes
    try {
      return await this.#handles.open(() => this.#service.connect(this.reader, how, options));
    } finally {
      this.look(); // nor is whoever was there meanwhile
    }
  }

  enter(session: Neighbour): void {
    this.#sessions.add(session);
  }

  leave(session: Neighbour): void {
    this.#sessions.delete(session);
  }

  isHandOverDue(identity: string): boolean {
    if (!this.hasCard) return false; // there is nothing to be reset, and nothing in it
    // One that was there at the last look may have sent something and left since.
    const { policy } = this;
    // Under another one somebody else's state may have been left in the card.
    if (policy !== this.#usedUnder && this.#use.kind === "identity") this.#use = UNKNOWN;
    this.#usedUnder = policy;
    const foreign = this.#foreign.now || this.#foreign.since || this.hasForeign;
    return isHandOverDue(policy, this.#use, { identity, foreign });
  }

  /** Somebody is about to send something to the card. */
  uses(identity: string): void {
    if (this.#use.kind !== "identity" || this.#use.identity !== identity)
      this.#use = { kind: "identity", identity };
  }

  /**
   * The card was reset by a handle of ours.
   *
   * @param by undefined for one that is nobody's session.
   * @param wanted whether its program asked for that.
   */
  wasReset(by: Neighbour | undefined, { wanted }: { readonly wanted: boolean }): void {
    this.#use = UNUSED;
    this.#foreign.since = false;
    this.mayHaveBeenReset(by, { wanted });
  }

  /** The same, if it was. */
  mayHaveBeenReset(by: Neighbour | undefined, { wanted }: { readonly wanted: boolean }): void {
    for (const session of this.#sessions)
      if (session !== by) session.wasReset(wanted ? by?.identity : undefined);
  }

  /** Does what may reset the card, for the program of `by`, and lets the others know. */
  async resetting<T>(by: Neighbour, disposition: number, job: () => Promise<T>): Promise<T> {
    // A reader that cannot eject leaves the card as it is, and from one that can it goes.
    if (disposition === Disposition.Leave || disposition === Disposition.Eject) return await job();
    try {
      const result = await job();
      this.wasReset(by, { wanted: true });
      return result;
    } catch (error) {
      // pcscd resets the card also at the end of a transaction that there is not.
      if (error instanceof ReturnCodeError && error.rv === Rv.NotTransacted)
        this.wasReset(by, { wanted: true });
      else this.mayHaveBeenReset(by, { wanted: true });
      throw error;
    }
  }

  /** Something happened to the card, and nobody knows what. */
  isUncertain(): void {
    this.#use = UNKNOWN;
  }

  /** There is a new list of readers. */
  look(): void {
    const { sharing = 0, eventCounter: counter, stateBits = 0 } = this.#state ?? {};
    const hadForeign = this.#handles.look(sharing);
    const { hasForeign } = this;
    this.#foreign = { now: hasForeign, since: hadForeign || this.#foreign.since };
    if (counter === this.#eventCounter) return;
    if (counter === undefined) this.#handles.clear();
    const wasEmptyAt = this.#emptyAt;
    this.#emptyAt = (stateBits & ReaderStateBit.Present) === 0 ? counter : undefined;
    this.#eventCounter = counter;
    // It may be told late: one of ours may have sent something to this card already.
    if (this.#sessions.size === 0 && !this.#handles.isOpening) {
      this.#use = UNUSED;
      this.#foreign.since = hasForeign;
    }
    // A card that comes ends no transaction, and is no news to a handle; one that goes is, also if it came meanwhile.
    if (wasEmptyAt !== undefined && counter === ((wasEmptyAt + 1) & 0xffff)) return;
    for (const session of this.#sessions) session.wasMoved();
  }

  get #state(): Reader | undefined {
    const { reader: name } = this;
    return this.#service.readers.find((reader) => reader.name === name);
  }
}
