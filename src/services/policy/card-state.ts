import type { Reader } from "../../domain/card-service.ts";
import { isSameCard } from "../../domain/same-card.ts";
import { CardView } from "./card-view.ts";
import type { FeatureCodes } from "./controls.ts";
import { PinGuard } from "./pin-guard.ts";

/** What all sessions on one reader share: the card's state, and what its reader can. */
export class CardState {
  readonly reader: string;
  readonly view = new CardView();
  readonly guard: PinGuard;
  /** Undefined until the reader was asked. They are the driver's, and stay. */
  features: FeatureCodes | undefined;
  readonly #seesForeign: (reader: string) => boolean;
  readonly #sessions = new Set<object>();
  readonly #underWay = new Set<Promise<unknown>>();
  #arriving = 0;
  #list: readonly Reader[] | undefined;
  #shown: Reader | undefined;
  #told: { readonly card: Reader; readonly serial: string | undefined } | undefined;
  /** Whether the service shows more handles than are ours. */
  #hasOthers = false;
  #version = 0;
  #resets = 0;
  /** Resets that sessions asked for and that are not answered. */
  #resetsAsked = 0;
  /** Whether one of them failed, and nobody knows after what. */
  #isInDoubt = false;

  constructor(
    reader: string,
    options: { keepTries: number; seesForeign: (reader: string) => boolean },
  ) {
    this.reader = reader;
    this.guard = new PinGuard(options.keepTries);
    this.#seesForeign = options.seesForeign;
  }

  /** Another number whenever another card is there, or its serial number becomes known. */
  get version(): number {
    return this.#version;
  }

  /** That of the card that is shown now, where it was told. */
  get serial(): string | undefined {
    const { card, serial } = this.#told ?? {};
    return card && isSameCard(card, this.#shown) ? serial : undefined;
  }

  /** @param card the reader as it was shown when the card was asked. */
  tellSerial(card: Reader, serial: string | undefined): void {
    this.#told = { card, serial };
    this.#version += 1;
  }

  /** Whether somebody uses the card who does not come through here. */
  get isForeign(): boolean {
    return this.#hasOthers && this.#seesForeign(this.reader);
  }

  get isIdle(): boolean {
    return this.#sessions.size + this.#arriving === 0;
  }

  /** Whether another session could use the card between two commands of this one. */
  get isShared(): boolean {
    return this.#sessions.size + this.#arriving > 1;
  }

  /** The reader as it was shown last. */
  get shown(): Pick<Reader, "name" | "atr"> {
    return this.#shown ?? { name: this.reader };
  }

  /** Takes note of what the service shows now. Costs nothing while that is the same list. */
  look(readers: readonly Reader[]): void {
    if (readers === this.#list) return;
    this.#list = readers;
    const before = this.#shown;
    const now = readers.find(({ name }) => name === this.reader);
    this.#shown = now;
    if (!now) this.#told = undefined; // what comes back by this name may be another reader
    if (before && !isSameCard(before, now)) this.#change();
    const handles = this.#sessions.size + this.#arriving;
    this.#hasOthers = (now?.sharing ?? 0) > handles;
  }

  /** Another number whenever the card was reset, or is about to be. */
  get resets(): number {
    return this.#resets;
  }

  /** The card has been reset by somebody who does not come through here, or is about to be. */
  wasReset(): void {
    this.view.reset();
    this.#resets += 1;
  }

  /**
   * Does what resets the card for a session. It may have to wait for somebody's transaction first: who holds the card
   * finds it as it was, and for all others it may have been reset from now on.
   */
  async resetting<T>(reset: () => Promise<T>): Promise<T> {
    this.#resetsAsked += 1;
    try {
      const done = await reset();
      this.wasReset();
      return done;
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    } finally {
      this.#resetsAsked -= 1;
    }
  }

  /** A session is to use the card that has not held it until now: others may have reset it, or used it. */
  meet(): void {
    if (this.isForeign) this.view.reset();
    else if (this.#isInDoubt || this.#resetsAsked > 0) this.view.mayBeReset();
    this.#isInDoubt = false;
  }

  #change(): void {
    this.view.reset();
    this.guard.clear();
    this.#version += 1;
  }

  /**
   * Lets a session in. From its beginning on, commands outside a transaction take the card for themselves; those that were
   * sent before are answered before it ends: what is decided about one command must be true when the card runs it.
   */
  async arrive<T>(session: object, connect: () => Promise<T>): Promise<T> {
    if (this.isIdle) this.view.reset(); // whoever was there since
    this.#arriving += 1;
    try {
      const connected = await connect();
      await Promise.allSettled(this.#underWay);
      this.#sessions.add(session);
      return connected;
    } finally {
      this.#arriving -= 1;
      this.#list = undefined; // another number of handles is to be expected
    }
  }

  leave(session: object): void {
    this.#sessions.delete(session);
    this.#list = undefined;
  }

  /** A command that was sent outside a transaction, without taking the card. */
  async follow<T>(sent: Promise<T>): Promise<T> {
    this.#underWay.add(sent);
    try {
      return await sent;
    } finally {
      this.#underWay.delete(sent);
    }
  }
}
