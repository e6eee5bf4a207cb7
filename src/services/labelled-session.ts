import type { CardSession } from "../domain/card-service.ts";

/** SCARD_ATTR_DEVICE_FRIENDLY_NAME_A and SCARD_ATTR_DEVICE_SYSTEM_NAME_A (reader.h). */
const NAME_ATTRIBUTES: ReadonlySet<number> = new Set([0x7fff0003, 0x7fff0004]);

/** A session on a reader that has another name here than on its own host. */
export class LabelledSession implements CardSession {
  readonly #session: CardSession;
  readonly #inner: string;
  readonly #outer: string;

  constructor(session: CardSession, { inner, outer }: { inner: string; outer: string }) {
    this.#session = session;
    this.#inner = inner;
    this.#outer = outer;
  }

  /**
   * Where the driver has no answer, pcscd tells the reader's name with a NUL behind it (winscard.c). Programs look for
   * the reader by it, and must find it here. What a driver says is not touched.
   */
  async getAttribute(id: number): Promise<Uint8Array> {
    const value = await this.#session.getAttribute(id);
    if (!NAME_ATTRIBUTES.has(id)) return value;
    const text = Buffer.from(value).toString();
    const name = text.replace(/\0+$/, "");
    if (name !== this.#inner) return value;
    return Buffer.from(`${this.#outer}${text.slice(name.length)}`);
  }

  async begin(options: { signal: AbortSignal }): Promise<void> {
    await this.#session.begin(options);
  }

  async end(disposition: number): Promise<void> {
    await this.#session.end(disposition);
  }

  async transmit(
    ...args: Parameters<CardSession["transmit"]>
  ): ReturnType<CardSession["transmit"]> {
    return await this.#session.transmit(...args);
  }

  async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    return await this.#session.control(code, data);
  }

  async status(): Promise<void> {
    await this.#session.status();
  }

  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    await this.#session.setAttribute(id, value);
  }

  async reconnect(...args: Parameters<CardSession["reconnect"]>): Promise<number> {
    return await this.#session.reconnect(...args);
  }

  async disconnect(disposition: number): Promise<void> {
    await this.#session.disconnect(disposition);
  }

  async abandon(): Promise<void> {
    await this.#session.abandon();
  }
}
