import type { Reader } from "../../domain/card-service.ts";
import { deferred } from "../../domain/deferred.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Protocol, ReaderStateBit, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { parseAtr } from "../../wire/iso7816/atr.ts";
import type { Contacts } from "./contacts.ts";
import { Lock } from "./lock.ts";

/** One SCARDHANDLE, as the rules of a reader see it. */
export interface Handle {
  /** What every call but SCardControl and SCardReconnect says until the latter: 0, or a reset or removal notice. */
  notice: number;
}

const { Absent, Present, Swallowed, Powered, Negotiable } = ReaderStateBit;
/** A card that answered. */
const READY = Present | Powered | Negotiable;
/** How many handles on a reader, as pcscd's `-r`. */
const MAX_HANDLES = 200;
const EXCLUSIVE = -1;
const NOTHING = new Uint8Array(0);

/**
 * One software reader: the card in it, its power, and who may use it. The rules are those of pcscd's resource manager
 * (protocol reference, section 5); sessions put them into the order in which pcscd checks them.
 */
export class Slot {
  readonly name: string;
  readonly lock = new Lock<Handle>();
  readonly #handles = new Set<Handle>();
  readonly #onChange: () => void;
  readonly #powerOffAfterMs: number;
  #contacts: Contacts | undefined;
  #atr: Uint8Array | undefined;
  #stateBits: number = Absent;
  #protocol: number = Protocol.Undefined;
  #eventCounter = 0;
  /**
   * How many handles share it, as pcscd counts them: −1 stands for one that has it alone. A connect that had to wait
   * for a transaction counts one more, whatever it finds then, and so may make 0 of −1 (seen with 1.9.9).
   */
  #sharing = 0;
  /** What a pulled card does not answer any more. */
  readonly #underWay = new Set<(why: Error) => void>();
  #powerOff: NodeJS.Timeout | undefined;
  /**
   * What the rules hold the card's power to be: in use from when somebody connects to the card, and not only to the
   * reader, until the last handle is closed; then idle, and after a while off. pcscd goes by this and not by what is
   * so: a direct reconnect with a reset gives power that nobody ever takes (seen with 1.9.9).
   */
  #power: "off" | "idle" | "in use" = "off";
  /** What the contacts are doing; the next thing comes after it. */
  #atWork: Promise<unknown> = Promise.resolve();
  #isGone = false;

  /** @param options.powerOffAfterMs how long a card that nobody uses stays under power. */
  constructor(name: string, options: { onChange: () => void; powerOffAfterMs: number }) {
    this.name = name;
    this.#onChange = options.onChange;
    this.#powerOffAfterMs = options.powerOffAfterMs;
  }

  get reader(): Reader {
    return {
      name: this.name,
      ...(this.#atr && { atr: this.#atr }),
      stateBits: this.#stateBits,
      sharing: this.#sharing,
      protocol: this.#protocol,
      eventCounter: this.#eventCounter,
    };
  }

  get isExclusive(): boolean {
    return this.#sharing === EXCLUSIVE;
  }

  /** The reader was unplugged. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get hasCard(): boolean {
    return (this.#stateBits & Present) !== 0;
  }

  get isMute(): boolean {
    return (this.#stateBits & Swallowed) !== 0;
  }

  /** Whether the card answers, as far as it is known. */
  get isAwake(): boolean {
    return (this.#stateBits & Powered) !== 0;
  }

  get atr(): Uint8Array {
    return this.#atr ?? NOTHING;
  }

  get protocol(): number {
    return this.#protocol;
  }

  set protocol(protocol: number) {
    if (protocol === this.#protocol) return;
    this.#protocol = protocol;
    this.#onChange();
  }

  // Cards and readers come and go.

  /** Puts a card in; resolves when it is powered and its ATR known, and so listed. One that lies there is pulled first. */
  async insert(contacts: Contacts): Promise<void> {
    this.pull();
    this.#contacts = contacts;
    const atr = await this.#work(() => contacts.powerOn("cold")).catch(() => NOTHING);
    if (this.#contacts !== contacts) return;
    this.#eventCounter = (this.#eventCounter + 1) & 0xffff;
    this.#wake(atr);
    this.#protocol = Protocol.Undefined;
    if (this.isAwake) this.#rest();
    this.#onChange();
  }

  /** Takes the card out, in the middle of whatever it does: every handle is told, and a transaction is over. */
  pull(): void {
    if (!this.#contacts) return;
    this.#contacts.powerOff();
    this.#contacts = undefined;
    const gone = new ReturnCodeError("SCardTransmit", Rv.NoSmartcard);
    for (const fail of this.#underWay) fail(gone);
    this.#underWay.clear();
    this.#atWork = Promise.resolve(); // what this card does not finish is nothing to wait for
    if (!this.hasCard) return; // pulled before it was ever listed
    // The bookkeeping of power takes no notice: it ends with the last handle, as if the card were there.
    this.#protocol = Protocol.Undefined;
    this.#atr = undefined;
    this.#stateBits = Absent;
    this.#eventCounter = (this.#eventCounter + 1) & 0xffff;
    this.tellAll(Rv.RemovedCard);
    this.lock.drop();
    this.#onChange();
  }

  /** Unplugs the reader. What its handles ask from now on is refused. */
  remove(): void {
    this.pull();
    clearTimeout(this.#powerOff);
    this.#isGone = true;
    this.lock.drop();
  }

  // Handles.

  has(handle: Handle): boolean {
    return this.#handles.has(handle);
  }

  get isFull(): boolean {
    return this.#handles.size >= MAX_HANDLES;
  }

  /** Adds a handle that was granted. Exclusive access is a first level of the lock. */
  add(handle: Handle, share: number): void {
    this.#handles.add(handle);
    if (share === ShareMode.Exclusive) this.makeExclusive(handle);
    else this.#sharing += 1;
    this.#onChange();
  }

  /** The card keeps its power from now on, until the last handle is closed. */
  use(): void {
    this.#power = "in use";
    clearTimeout(this.#powerOff);
  }

  /** Whether a handle may have the reader alone: nobody else is there. */
  mayBeExclusive(handle: Handle): boolean {
    if (this.isExclusive) return this.#handles.has(handle);
    return this.#sharing === (this.#handles.has(handle) ? 1 : 0);
  }

  makeExclusive(handle: Handle): void {
    this.#sharing = EXCLUSIVE;
    this.lock.take(handle);
    this.#onChange();
  }

  /** Exclusive access ends, but not the level of the lock that it came with: its handle has to end that (seen with 1.9.9). */
  makeShared(handle: Handle): void {
    this.lock.give(handle, 1);
    this.#sharing = 1;
    this.#onChange();
  }

  delete(handle: Handle): void {
    if (!this.#handles.delete(handle)) return;
    this.#sharing = Math.max(0, this.#sharing - 1);
    if (this.lock.isHeldBy(handle)) this.lock.drop();
    if (this.#sharing === 0 && this.#power !== "off") this.#rest();
    this.#onChange();
  }

  /** What every handle is told until it reconnects; a later one takes the place of an earlier. */
  tellAll(notice: number): void {
    for (const handle of this.#handles) handle.notice = notice;
  }

  // The card.

  /**
   * Powers the card if it is not. One that does not answer is mute from then on. The protocol stays: a direct connect
   * may have chosen one before.
   */
  async powerUp(): Promise<void> {
    const contacts = this.#contacts;
    if (!contacts || this.#power !== "off") return;
    await this.#turnOn(() => contacts.powerOn("cold"));
  }

  /** Resets the card. @param how "cold" by taking its power away first. The protocol ends, also where no card is. */
  async reset(how: "cold" | "warm"): Promise<void> {
    const contacts = this.#contacts;
    if (contacts) {
      await this.#turnOn(() => {
        if (how === "cold") contacts.powerOff();
        return contacts.powerOn(how);
      });
    }
    if (this.#contacts === contacts) this.protocol = Protocol.Undefined;
  }

  /** Takes the card's power away until somebody connects. The protocol ends, also where no card is. */
  async unpower(): Promise<void> {
    const contacts = this.#contacts;
    if (!contacts) {
      this.protocol = Protocol.Undefined;
      return;
    }
    await this.#work(async () => contacts.powerOff()).catch(() => {}); // pulled: it has no power
    if (this.#contacts !== contacts) return;
    this.#sleep();
    this.#stateBits = Present;
    this.#onChange();
  }

  /** @throws {ReturnCodeError} `SCARD_E_NO_SMARTCARD` when it is pulled meanwhile, or not there. */
  async transmit(command: Uint8Array): Promise<Uint8Array> {
    const contacts = this.#contacts;
    if (!contacts) throw new ReturnCodeError("SCardTransmit", Rv.NoSmartcard);
    return await this.#work(() => contacts.transmit(command));
  }

  async #turnOn(powerOn: () => Promise<Uint8Array>): Promise<void> {
    const contacts = this.#contacts;
    const atr = await this.#work(powerOn).catch(() => NOTHING);
    if (this.#contacts !== contacts) return;
    this.#wake(atr);
    this.#onChange();
  }

  #wake(atr: Uint8Array): void {
    const isCard = parseAtr(atr) !== undefined;
    this.#atr = isCard ? Uint8Array.from(atr) : undefined;
    this.#stateBits = isCard ? READY : Present | Swallowed;
  }

  #sleep(): void {
    this.#power = "off";
    this.#protocol = Protocol.Undefined;
  }

  /** Nobody uses the card: after a while it loses its power, and with it what was verified. It is shown as before. */
  #rest(): void {
    this.#power = "idle";
    clearTimeout(this.#powerOff);
    this.#powerOff = setTimeout(() => {
      this.#contacts?.powerOff();
      this.#sleep();
      this.#onChange();
    }, this.#powerOffAfterMs);
    this.#powerOff.unref();
  }

  /** Contacts do one thing at a time. @throws {ReturnCodeError} `SCARD_E_NO_SMARTCARD` as soon as the card is pulled. */
  async #work<T>(job: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = deferred<T>();
    this.#underWay.add(reject);
    const done = this.#atWork.then(() => (this.#underWay.has(reject) ? job() : promise));
    this.#atWork = done.catch(() => {});
    done.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#underWay.delete(reject);
    }
  }
}
