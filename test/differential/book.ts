import { readerNames } from "../lab/pcscd.ts";
import type { Attempt } from "./clients.ts";
import { type Call, CLIENTS, type Slot, type Step } from "./step.ts";

// What a driver has to know to make sensible calls, and none that would end in a deadlock: who has what. It is kept
// from what was asked and answered, and judges nothing.

const OK = "0x00000000";
/** SCARD_W_RESET_CARD and SCARD_W_REMOVED_CARD. */
const NOTICES = new Set(["0x80100068", "0x80100069"]);

/** A handle that somebody got; it stays in the book when it is closed, as a program may still name it. */
export interface OpenCard {
  readonly client: number;
  readonly context: string;
  readonly name: string;
  readonly slot: Slot;
  share: number;
  isOpen: boolean;
  /** Transactions, nested; an exclusive handle counts as one. */
  depth: number;
  /** Whether it was told of a reset or a removal, after which only a reconnect helps. */
  isToldOf: boolean;
}

/** A call that was not answered in either world. */
export interface Pending {
  readonly step: Call;
  /** Where it stands in the sequence. */
  readonly at: number;
  /** Waits for an event, or for somebody else's lock. */
  readonly kind: "event" | "lock";
  /** The reader whose lock it waits for. */
  readonly slot: Slot | undefined;
  /** In each world. */
  readonly attempts: readonly Attempt[];
}

interface Context {
  isOpen: boolean;
}

const keyOf = (client: number, name: string): string => `${client}/${name}`;

/** Calls that need nobody's permission. */
const NEVER_BLOCK = new Set(["control", "getattrib", "setattrib", "end"]);

/** Calls whose outcomes do not depend on who of several gets the lock first. A connect may change the protocol. */
const ANY_ORDER: readonly ReadonlySet<string>[] = [
  new Set(["begin", "status", "transmit"]),
  new Set(["begin", "connect"]),
];

export class Book {
  readonly #contexts = new Map<string, Context>();
  readonly #cards = new Map<string, OpenCard>();
  readonly pending: Pending[] = [];
  readonly present: [boolean, boolean] = [true, true];
  readonly #clients: number;

  constructor(clients = CLIENTS) {
    this.#clients = clients;
  }

  /** Handles that are open, or those of one client that a program can still name. */
  get cards(): readonly OpenCard[] {
    return [...this.#cards.values()];
  }

  contexts(client: number, { open }: { open: boolean }): readonly string[] {
    return [...this.#contexts]
      .filter(([key, { isOpen }]) => key.startsWith(`${client}/`) && isOpen === open)
      .map(([key]) => key.slice(2));
  }

  card(client: number, name: string): OpenCard | undefined {
    return this.#cards.get(keyOf(client, name));
  }

  /** Whether a call of that context is under way. */
  isBusy(client: number, context: string): boolean {
    return this.pending.some(
      ({ step }) => step.client === client && this.#contextOf(step) === context,
    );
  }

  /** Who has a transaction on a reader, or has it to itself. */
  holder(slot: Slot): OpenCard | undefined {
    return this.cards.find((card) => card.isOpen && card.slot === slot && card.depth > 0);
  }

  blockedOn(slot: Slot): readonly Pending[] {
    return this.pending.filter((one) => one.kind === "lock" && one.slot === slot);
  }

  /** How many programs share a reader, as pcscd counts: -1 for one that has it to itself. */
  sharing(slot: Slot): number {
    const open = this.cards.filter((card) => card.isOpen && card.slot === slot);
    return open.some(({ share }) => share === 1) ? -1 : open.length;
  }

  /** Which reader a call is about. */
  slotOf(step: Call): Slot | undefined {
    const { card, reader } = step.with as { card?: string; reader?: string };
    if (step.call === "connect") {
      const slot = readerNames.indexOf(reader as (typeof readerNames)[number]);
      return slot === 0 || slot === 1 ? slot : undefined;
    }
    return card === undefined ? undefined : this.card(step.client, card)?.slot;
  }

  /** Whether a step can be taken: nothing that it names is missing, and it locks nobody out for good. */
  allows(step: Step): boolean {
    if (step.do === "pull") return this.present[step.slot];
    if (step.do === "insert") return !this.present[step.slot];
    if (step.do === "die") return this.#mayDie(step.client);
    const { context, card } = step.with as { context?: string; card?: string };
    const { client, call } = step;
    if (client >= this.#clients) return false;
    if (call === "cancel") return this.#contexts.has(keyOf(client, context ?? ""));
    if (call === "establish")
      return this.#contexts.get(keyOf(client, context ?? ""))?.isOpen !== true;
    const own = this.#contextOf(step);
    if (own === undefined || !this.#contexts.has(keyOf(client, own))) return false;
    if (this.isBusy(client, own)) return false;
    if (call === "connect") {
      if (this.card(client, card ?? "")?.isOpen) return false;
    } else if (card !== undefined && !this.card(client, card)) return false;
    return !this.#isUnwise(step, own);
  }

  /** Enters what a step did in both worlds; of a call that is still under way, nothing. */
  enter(step: Step, outcome?: { readonly rv: string; readonly [more: string]: unknown }): void {
    if (step.do === "die") return this.#died(step.client);
    if (step.do === "insert") this.present[step.slot] = true;
    if (step.do === "pull") {
      this.present[step.slot] = false;
      for (const card of this.cards) if (card.slot === step.slot) card.depth = 0;
    }
    if (step.do !== "call") return;
    const { client, call } = step;
    const { context = "", card: name = "" } = step.with as { context?: string; card?: string };
    const succeeded = outcome?.rv === OK;
    const card = this.card(client, name);
    if (call === "establish" && succeeded)
      this.#contexts.set(keyOf(client, context), { isOpen: true });
    if (call === "release" && succeeded) this.#released(client, context);
    if (call === "connect" && succeeded) this.#connected(step);
    if (card && NOTICES.has(outcome?.rv ?? "")) card.isToldOf = true;
    if (!card || !succeeded) return;
    if (call === "disconnect") close(card);
    if (call === "begin") card.depth += 1;
    if (call === "end") card.depth = Math.max(0, card.depth - 1);
    if (call === "reconnect") {
      const { share } = step.with as { share: number };
      if (share === 1 && card.share !== 1) card.depth = Math.max(1, card.depth);
      card.share = share;
      card.isToldOf = false;
    }
  }

  #contextOf(step: Call): string | undefined {
    const { context, card } = step.with as { context?: string; card?: string };
    return context ?? (card === undefined ? undefined : this.card(step.client, card)?.context);
  }

  /**
   * pcscd leaves a CONNECT, or a DISCONNECT with a reset, unanswered while it waits for a lock, and hears nothing else on
   * that connection, not even its end.
   */
  #mayDie(client: number): boolean {
    return !this.pending.some(
      ({ step, kind }) =>
        step.client === client &&
        kind === "lock" &&
        (step.call === "connect" || step.call === "disconnect"),
    );
  }

  #isUnwise(step: Call, context: string): boolean {
    const slot = this.slotOf(step);
    const holder = slot === undefined ? undefined : this.holder(slot);
    if (slot === undefined || !holder || !this.#mayBlock(step, holder)) return false;
    const isInDaemon = step.call === "connect" || step.call === "disconnect";
    const isOwn = holder.client === step.client && holder.context === context;
    // A deadlock of pcscd's own, from which no death frees it.
    if (isOwn && isInDaemon) return true;
    // Nor may two wait for each other, each with a lock of its own.
    if (this.isBusy(holder.client, holder.context)) return true;
    const others = this.blockedOn(slot);
    if (others.length === 0) return false;
    return !mayComeInAnyOrder([step, ...others.map((one) => one.step)]);
  }

  #mayBlock(step: Call, holder: OpenCard): boolean {
    if (NEVER_BLOCK.has(step.call)) return false;
    const { card, disposition } = step.with as { card?: string; disposition?: number };
    if (step.call === "disconnect" && disposition === 0) return false;
    return !(holder.client === step.client && holder.name === card && step.call !== "connect");
  }

  #died(client: number): void {
    for (const key of this.#contexts.keys())
      if (key.startsWith(`${client}/`)) this.#contexts.delete(key);
    for (const key of this.#cards.keys()) if (key.startsWith(`${client}/`)) this.#cards.delete(key);
    const left = this.pending.filter(({ step }) => step.client !== client);
    this.pending.splice(0, this.pending.length, ...left);
  }

  #released(client: number, context: string): void {
    this.#contexts.set(keyOf(client, context), { isOpen: false });
    for (const card of this.cards)
      if (card.client === client && card.context === context) close(card);
  }

  #connected({ client, with: args }: Call): void {
    const { context, card, reader, share } = args as {
      context: string;
      card: string;
      reader: string;
      share: number;
    };
    const slot = readerNames.indexOf(reader as (typeof readerNames)[number]) === 1 ? 1 : 0;
    const depth = share === 1 ? 1 : 0;
    const opened = { client, context, name: card, slot, share, isOpen: true, depth };
    this.#cards.set(keyOf(client, card), { ...opened, isToldOf: false } as OpenCard);
  }
}

function close(card: OpenCard): void {
  card.isOpen = false;
  card.depth = 0;
}

function mayComeInAnyOrder(steps: readonly Call[]): boolean {
  const isOrdinary = steps.every(
    ({ call, with: args }) =>
      call !== "connect" || (args["share"] === 2 && args["protocols"] === 3),
  );
  return isOrdinary && ANY_ORDER.some((calls) => steps.every(({ call }) => calls.has(call)));
}
