import type { CardSession } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import type { FakeHandle, FakeSlot } from "./fake-slot.ts";

/** One call on a fake service, before it is carried out. */
export interface FakeCall {
  /** The method's name: `connect`, `transmit`, `end` … */
  readonly name: string;
  readonly reader: string;
  /** The argument that matters, as text: an APDU in hex, a disposition, a control code. */
  readonly detail: string;
}

/** What a fake's cards and readers answer. Everything has a plain default. */
export interface FakeAnswers {
  /** The card's answer to a command APDU; 90 00 unless told. */
  readonly transmit?: (apdu: Uint8Array, reader: string) => Uint8Array | Promise<Uint8Array>;
  /** The reader's answer to a control code; unless told it supports none. */
  readonly control?: (
    code: number,
    data: Uint8Array,
    reader: string,
  ) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** An attribute; unless told there are only the ATR and the reader's name. */
  readonly attribute?: (id: number, reader: string) => Uint8Array | undefined;
  /** Called before each call is carried out. The call waits for what it returns, and throws what it throws. */
  readonly before?: (call: FakeCall) => void | Promise<void>;
}

const ATR_STRING = 0x90303;
const FRIENDLY_NAME = 0x7fff0003;

/** One handle on a {@link FakeSlot}. */
export class FakeSession implements CardSession, FakeHandle {
  notice = 0;
  readonly #slot: FakeSlot;
  readonly #answers: FakeAnswers;
  readonly #log: (call: FakeCall) => Promise<void>;

  constructor(slot: FakeSlot, answers: FakeAnswers, log: (call: FakeCall) => Promise<void>) {
    this.#slot = slot;
    this.#answers = answers;
    this.#log = log;
  }

  async begin(): Promise<void> {
    await this.#enter("begin");
    this.#check("SCardBeginTransaction");
    this.#slot.lock(this);
  }

  async end(disposition: number): Promise<void> {
    await this.#enter("end", disposition);
    checkDisposition("SCardEndTransaction", disposition);
    this.#check("SCardEndTransaction");
    this.#slot.unlock(this, disposition);
  }

  async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): Promise<{ data: Uint8Array; receiveProtocol: number }> {
    await this.#enter("transmit", Buffer.from(apdu).toString("hex"));
    this.#check("SCardTransmit");
    this.#slot.checkCard("SCardTransmit");
    const data = (await this.#answers.transmit?.(apdu, this.#slot.name)) ?? OK;
    return { data, receiveProtocol: pci.send };
  }

  async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    await this.#enter("control", `0x${code.toString(16)}`);
    this.#slot.checkFree("SCardControl", this);
    const answer = await this.#answers.control?.(code, data, this.#slot.name);
    if (!answer) throw new ReturnCodeError("SCardControl", Rv.UnsupportedFeature);
    return answer;
  }

  async status(): Promise<void> {
    await this.#enter("status");
    this.#check("SCardStatus");
  }

  async getAttribute(id: number): Promise<Uint8Array> {
    await this.#enter("getAttribute", `0x${id.toString(16)}`);
    this.#check("SCardGetAttrib");
    const value = this.#answers.attribute?.(id, this.#slot.name) ?? this.#attribute(id);
    if (!value) throw new ReturnCodeError("SCardGetAttrib", Rv.UnsupportedFeature);
    return value;
  }

  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    await this.#enter("setAttribute", `0x${id.toString(16)} ${value.length}`);
    this.#check("SCardSetAttrib");
    throw new ReturnCodeError("SCardSetAttrib", Rv.UnsupportedFeature);
  }

  async reconnect(
    how: { readonly share: number; readonly protocols: number },
    initialization: number,
  ): Promise<number> {
    await this.#enter("reconnect", initialization);
    return this.#slot.reconnect(this, { ...how, initialization });
  }

  async disconnect(disposition: number): Promise<void> {
    await this.#enter("disconnect", disposition);
    checkDisposition("SCardDisconnect", disposition);
    if (disposition > 0) await this.#slot.untilFree("SCardDisconnect", this);
    this.#slot.close(this, disposition);
  }

  async abandon(): Promise<void> {
    await this.#enter("abandon").catch(() => {}); // it never throws, whatever a test makes `before` do
    this.#slot.abandon(this);
  }

  #attribute(id: number): Uint8Array | undefined {
    if (id === ATR_STRING) return this.#slot.reader.atr;
    return id === FRIENDLY_NAME ? Buffer.from(`${this.#slot.name}\0`) : undefined;
  }

  async #enter(name: string, detail: number | string = ""): Promise<void> {
    await this.#log({ name, reader: this.#slot.name, detail: `${detail}` });
  }

  #check(call: string): void {
    this.#slot.checkFree(call, this);
    this.#slot.checkNotice(call, this);
  }
}

function checkDisposition(call: string, disposition: number): void {
  if (disposition > 3) throw new ReturnCodeError(call, Rv.InvalidValue);
}

const OK = Uint8Array.of(0x90, 0x00);
