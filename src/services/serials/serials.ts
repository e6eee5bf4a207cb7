import { setMaxListeners } from "node:events";
import type { CardService, Reader } from "../../domain/card-service.ts";
import { CardwireError, ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Rv } from "../../domain/return-codes.ts";
import { isSameCard } from "../../domain/same-card.ts";
import { untilAborted } from "../../domain/until-aborted.ts";
import type { VisitedCard } from "../arbiter/visit.ts";
import type { Policy } from "../policy/policy.ts";
import { namesSerial } from "../policy/rule.ts";
import { readSerial, type Serial } from "./read-serial.ts";

/** How long a card may take to tell its serial number, ms, and people's connects wait for that. */
const WITHIN_MS = 5_000;
/** A card whose answer to reset differs from one reset to the next looks like another: so often it is asked again. */
const TRIES = 3;

/** What was found out about one card. */
export type SerialEvent = {
  readonly reader: string;
  readonly atr: Uint8Array | undefined;
  readonly ms: number;
} & (Serial | { readonly why: string });

export interface SerialsOptions {
  /** Where a card can be visited that nobody uses: an arbiter. */
  readonly cards: Pick<CardService, "readers" | "watch"> & {
    visit<T>(
      reader: string,
      job: (card: VisitedCard) => Promise<T>,
      within: { signal: AbortSignal },
    ): Promise<T>;
  };
  /** Whose rules name serial numbers, and which is told them. */
  readonly policy: Pick<Policy, "rules" | "tellSerial" | "cardWasReset">;
  readonly withinMs?: number;
  /** A card told its serial number, or did not. */
  readonly onEvent?: (event: SerialEvent) => void;
}

interface Unknown {
  readonly why: string;
  /** Whether anything was sent to the card. If not, it can be asked later. */
  readonly wasAsked: boolean;
}

interface Finding {
  /** The reader as it was shown when the card was asked. */
  readonly card: Reader;
  readonly told: Serial | Unknown;
  /** Somebody was seen to use it since. */
  isUsed: boolean;
}

/**
 * Knows the serial numbers of the cards that rules need them for. A card is asked when nobody uses it: at once when it
 * comes, or when rules come that name a serial number, or when it is not used any more; and at the latest before somebody
 * gets at it. What is not known then stays unknown.
 */
export class Serials implements AsyncDisposable {
  readonly #options: SerialsOptions;
  readonly #found = new Map<string, Finding>();
  readonly #readings = new Map<string, Promise<void>>();
  readonly #life = new AbortController();
  readonly #following: Promise<void>;
  #watching: AbortController | undefined;
  /** How often everything was forgotten. */
  #forgotten = 0;

  constructor(options: SerialsOptions) {
    this.#options = options;
    setMaxListeners(0, this.#life.signal); // each asking listens
    this.#following = this.#followRules();
  }

  /**
   * Resolves when what there is to know of the card in a reader has been told: mostly at once.
   *
   * @throws the signal's reason.
   */
  async settle(reader: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const underWay = this.#readings.get(reader);
    if (underWay) await untilAborted(() => underWay, signal);
    // Whoever was in its way may be gone by now.
    const reading = this.#look(reader, { isWanted: true });
    if (reading) await untilAborted(() => reading, signal);
  }

  /** That of the card in a reader now, where it is known. */
  serialOf(reader: string): string | undefined {
    const found = this.#found.get(reader);
    const now = this.#options.cards.readers.find(({ name }) => name === reader);
    return found && isSameCard(found.card, now) ? serialIn(found.told) : undefined;
  }

  /** Cards may have been changed unseen: what is known of them is not true any more. */
  forget(): void {
    this.#forgotten += 1;
    for (const { card } of this.#found.values()) this.#options.policy.tellSerial(card, undefined);
    this.#found.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new CardwireError("E_CLOSED", "the readers are not offered any more"));
    this.#watching?.abort();
    await Promise.all([this.#following, ...this.#readings.values()]);
  }

  /** Watches the readers while a rule names a serial number; what watches them keeps pcscd from resting. */
  async #followRules(): Promise<void> {
    for await (const { rules } of this.#options.policy.rules.follow(this.#life)) {
      const isWanted = rules.some(({ serials }) => serials !== undefined);
      if (isWanted && this.#watching)
        this.#lookAtAll(); // other readers may be meant
      else if (isWanted)
        void this.#followReaders(); // ends by its signal, and never rejects
      else this.#rest();
    }
  }

  #rest(): void {
    this.#watching?.abort();
    this.#watching = undefined;
    this.forget(); // who does not look does not see cards change
  }

  async #followReaders(): Promise<void> {
    this.#watching = new AbortController();
    for await (const _ of this.#options.cards.watch(this.#watching)) this.#lookAtAll();
  }

  #lookAtAll(): void {
    const { readers } = this.#options.cards;
    const names = new Set(readers.map(({ name }) => name));
    for (const [name, { card }] of this.#found)
      if (!names.has(name)) {
        this.#found.delete(name);
        this.#options.policy.tellSerial(card, undefined);
      }
    for (const name of names) void this.#look(name, { isWanted: false }); // never rejects
  }

  /** Has the card in a reader asked, if it has to be and can be. @returns the asking, which never rejects. */
  #look(name: string, { isWanted }: { readonly isWanted: boolean }): Promise<void> | undefined {
    const underWay = this.#readings.get(name);
    if (underWay) return underWay;
    const card = this.#cardIn(name);
    if (!card || this.#life.signal.aborted) return undefined;
    const found = this.#found.get(name);
    if (found && isSameCard(found.card, card)) {
      if (card.sharing !== 0) found.isUsed = true;
      const isFree = isWanted || (found.isUsed && card.sharing === 0);
      if (!isUnasked(found.told) || !isFree) return undefined;
    }
    const reading = this.#ask(card).finally(() => this.#readings.delete(name));
    this.#readings.set(name, reading);
    return reading;
  }

  /** The card in a reader, if a rule needs its serial number. */
  #cardIn(name: string): Reader | undefined {
    const { cards, policy } = this.#options;
    const reader = cards.readers.find((one) => one.name === name);
    return reader?.atr && namesSerial(policy.rules.value, reader) ? reader : undefined;
  }

  async #ask(first: Reader): Promise<void> {
    let card: Reader | undefined = first;
    for (let tries = 0; card && tries < TRIES; tries += 1) {
      const forgotten = this.#forgotten;
      const start = performance.now();
      const finding = await this.#visit(card.name);
      if (this.#life.signal.aborted) return;
      const now = this.#cardIn(card.name);
      if (forgotten === this.#forgotten && isSameCard(card, now))
        return this.#tell(card, finding, performance.now() - start);
      card = now; // it was another one's
    }
  }

  async #visit(reader: string): Promise<Serial | Unknown> {
    const { cards, withinMs = WITHIN_MS } = this.#options;
    using within = firstSignal(AbortSignal.timeout(withinMs), this.#life.signal);
    let wasAsked = false;
    const ask = async ({ transmit }: VisitedCard): Promise<Serial | undefined> => {
      wasAsked = true;
      return await readSerial(transmit);
    };
    try {
      const serial = await cards.visit(reader, ask, within);
      return serial ?? { why: "the card tells none", wasAsked };
    } catch (error) {
      const why = within.signal.aborted ? `it was not told within ${withinMs} ms` : reasonIn(error);
      return { why, wasAsked };
    }
  }

  #tell(card: Reader, told: Serial | Unknown, ms: number): void {
    const { policy, onEvent } = this.#options;
    const { name: reader, atr } = card;
    const before = this.#found.get(reader);
    this.#found.set(reader, { card, told, isUsed: card.sharing !== 0 });
    if (!isUnasked(told)) policy.cardWasReset(reader);
    policy.tellSerial(card, serialIn(told));
    if (before && isSameCard(before.card, card) && wordsFor(before.told) === wordsFor(told)) return;
    onEvent?.({ reader, atr, ms, ...("why" in told ? { why: told.why } : told) });
  }
}

const isUnasked = (told: Serial | Unknown): boolean => "why" in told && !told.wasAsked;
const serialIn = (told: Serial | Unknown): string | undefined =>
  "why" in told ? undefined : told.serial;
const wordsFor = (told: Serial | Unknown): string => ("why" in told ? told.why : told.serial);

const reasonIn = (error: unknown): string => {
  if (error instanceof ReturnCodeError && error.rv === Rv.SharingViolation)
    return "somebody uses the card";
  return error instanceof Error ? error.message : String(error);
};
