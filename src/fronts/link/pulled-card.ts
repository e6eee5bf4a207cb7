import type { CardSession, ConnectOptions } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";

/**
 * The handle of a program that went on as if it were connected, and whose card was pulled before it was. As any handle
 * whose card was pulled it counts among those of its reader, and is good again once it is reconnected (protocol
 * reference, section 5.5): until then it is one to the reader alone.
 */
export class PulledCard implements CardSession {
  readonly #reader: CardSession;
  #isPulled = true;

  /** @param reader a handle on the reader that needs no card: one in direct mode. */
  constructor(reader: CardSession) {
    this.#reader = reader;
  }

  async begin(within: { signal: AbortSignal }): Promise<void> {
    this.#check("SCardBeginTransaction");
    await this.#reader.begin(within);
  }

  async end(disposition: number): Promise<void> {
    this.#check("SCardEndTransaction");
    await this.#reader.end(disposition);
  }

  async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): Promise<{ readonly data: Uint8Array; readonly receiveProtocol: number }> {
    this.#check("SCardTransmit");
    return await this.#reader.transmit(apdu, pci);
  }

  async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    return await this.#reader.control(code, data);
  }

  async status(): Promise<void> {
    this.#check("SCardStatus");
    await this.#reader.status();
  }

  async getAttribute(id: number): Promise<Uint8Array> {
    this.#check("SCardGetAttrib");
    return await this.#reader.getAttribute(id);
  }

  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    this.#check("SCardSetAttrib");
    await this.#reader.setAttribute(id, value);
  }

  async reconnect(how: Omit<ConnectOptions, "principal">, initialization: number): Promise<number> {
    const protocol = await this.#reader.reconnect(how, initialization);
    this.#isPulled = false;
    return protocol;
  }

  async disconnect(disposition: number): Promise<void> {
    await this.#reader.disconnect(disposition);
  }

  async abandon(): Promise<void> {
    await this.#reader.abandon();
  }

  #check(call: string): void {
    if (this.#isPulled) throw new ReturnCodeError(call, Rv.RemovedCard);
  }
}
