import type { CardService, Reader } from "../../domain/card-service.ts";
import type { ArbiterEvent } from "./events.ts";
import { type HandOverPolicy, isHandOverDue, UNKNOWN, UNUSED, type Use } from "./hand-over.ts";
import type { ArbiterLimits } from "./limits.ts";
import { Queue } from "./queue.ts";
import type { Tenure } from "./tenure.ts";

/** How long a handle may still be counted by pcscd after it was closed, ms. */
const CLOSING_MS = 1_000;

/** One handle, as the others on the same card see it. */
export interface Neighbour {
  readonly identity: string;
  /** The card was reset by `by`. */
  wasReset(by: Neighbour): void;
  /** The card went away, and transactions with it. */
  wasMoved(): void;
  /** The lease with that number is over. Resolves when nothing sent under it is under way. Never rejects. */
  endTenure(fence: number): Promise<void>;
  /** Takes the transaction away that it holds, and resets the card. Never rejects. */
  take(why: "idle" | "total" | "kick" | "lease"): Promise<void>;
}

export interface DeskOptions {
  readonly reader: string;
  readonly service: CardService;
  readonly policy: HandOverPolicy;
  readonly limits: ArbiterLimits;
  readonly onEvent: (event: ArbiterEvent) => void;
}

/** What is known of one card, and who is at it. */
export class Desk {
  readonly reader: string;
  readonly queue: Queue;
  readonly policy: HandOverPolicy;
  readonly limits: ArbiterLimits;
  readonly tell: (event: ArbiterEvent) => void;
  readonly #service: CardService;
  readonly #sessions = new Set<Neighbour>();
  /** When handles were closed that may still be counted. */
  #closed: number[] = [];
  /** What was before we came is not known. */
  #use: Use = UNKNOWN;
  #eventCounter: number | undefined;
  /** The lease in force. */
  tenure: Tenure | undefined;

  constructor({ reader, service, policy, limits, onEvent }: DeskOptions) {
    this.reader = reader;
    this.#service = service;
    this.policy = policy;
    this.limits = limits;
    this.tell = onEvent;
    this.queue = new Queue(limits.waiting);
    this.#eventCounter = this.#state?.eventCounter;
  }

  get sessions(): ReadonlySet<Neighbour> {
    return this.#sessions;
  }

  /** Whether programs that do not come through here have handles on the card. pcscd tells up to 0.4 s late. */
  get hasForeign(): boolean {
    const sharing = this.#state?.sharing ?? 0;
    if (sharing <= this.#sessions.size) return false;
    if (this.#closed.length > 0) {
      const since = performance.now() - CLOSING_MS;
      this.#closed = this.#closed.filter((at) => at > since);
    }
    return sharing > this.#sessions.size + this.#closed.length;
  }

  get hasCard(): boolean {
    return this.#state?.atr !== undefined;
  }

  /** Whether somebody holds the card exclusively, in PC/SC's sense. */
  get isExclusive(): boolean {
    return (this.#state?.sharing ?? 0) < 0;
  }

  /** Who used the card last, where that is known. */
  get lastUser(): string | undefined {
    return this.#use.kind === "identity" ? this.#use.identity : undefined;
  }

  enter(session: Neighbour): void {
    this.#sessions.add(session);
  }

  leave(session: Neighbour): void {
    if (this.#sessions.delete(session)) this.#closed.push(performance.now());
  }

  isHandOverDue(identity: string): boolean {
    return isHandOverDue(this.policy, this.#use, { identity, foreign: this.hasForeign });
  }

  /** Somebody is about to send something to the card. */
  uses(identity: string): void {
    if (this.#use.kind !== "identity" || this.#use.identity !== identity)
      this.#use = { kind: "identity", identity };
  }

  /** The card was reset by a handle of ours. */
  wasReset(by: Neighbour): void {
    this.#use = UNUSED;
    for (const session of this.#sessions) if (session !== by) session.wasReset(by);
  }

  /** Something happened to the card, and nobody knows what. */
  isUncertain(): void {
    this.#use = UNKNOWN;
  }

  /** There is a new list of readers. */
  look(): void {
    const counter = this.#state?.eventCounter;
    if (counter === this.#eventCounter) return;
    this.#eventCounter = counter;
    this.#use = UNUSED;
    for (const session of this.#sessions) session.wasMoved();
  }

  get #state(): Reader | undefined {
    const { reader: name } = this;
    return this.#service.readers.find((reader) => reader.name === name);
  }
}
