import type { CardService, CardSession, ConnectOptions } from "../domain/card-service.ts";
import { ForwardingSession } from "../services/forwarding-session.ts";
import type { Allotment } from "./allotment.ts";

/** `inner`, as far as one identity's allotment goes. */
export function allotted(inner: CardService, allotment: Allotment): CardService {
  return {
    get readers() {
      return inner.readers;
    },
    watch: (options) => inner.watch(options),
    connect: async (reader, how, options) => {
      await allotment.pace({ isHolder: false, ...options }); // also for those that are refused
      const give = allotment.takeHandle();
      try {
        const { session, activeProtocol } = await inner.connect(reader, how, options);
        return { session: new AllottedSession(session, allotment, give), activeProtocol };
      } catch (error) {
        give();
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

class AllottedSession extends ForwardingSession {
  readonly #allotment: Allotment;
  readonly #give: () => void;
  /** Begins that were not ended. */
  #depth = 0;
  readonly #life = new AbortController();

  constructor(inner: CardSession, allotment: Allotment, give: () => void) {
    super(inner);
    this.#allotment = allotment;
    this.#give = give;
  }

  override async begin({ signal }: { signal: AbortSignal }): Promise<void> {
    await this.#allotment.pace({ isHolder: this.#depth > 0, signal });
    await super.begin({ signal });
    this.#depth += 1;
  }

  override async end(disposition: number): Promise<void> {
    // One of nothing gives nothing back.
    if (this.#depth > 0) this.#allotment.count();
    else await this.#allotment.pace({ isHolder: false, signal: this.#life.signal });
    this.#depth = Math.max(0, this.#depth - 1);
    await super.end(disposition);
  }

  override async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): ReturnType<CardSession["transmit"]> {
    await this.#turn("SCardTransmit");
    return await super.transmit(apdu, pci);
  }

  override async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    await this.#turn("SCardControl");
    return await super.control(code, data);
  }

  override async status(): Promise<void> {
    await this.#turn("SCardStatus");
    await super.status();
  }

  override async getAttribute(id: number): Promise<Uint8Array> {
    await this.#turn("SCardGetAttrib");
    return await super.getAttribute(id);
  }

  override async setAttribute(id: number, value: Uint8Array): Promise<void> {
    await this.#turn("SCardSetAttrib");
    await super.setAttribute(id, value);
  }

  override async reconnect(
    how: Omit<ConnectOptions, "principal">,
    initialization: number,
  ): Promise<number> {
    await this.#turn("SCardReconnect");
    return await super.reconnect(how, initialization);
  }

  override async disconnect(disposition: number): Promise<void> {
    this.#allotment.count();
    await super.disconnect(disposition);
    this.#give();
  }

  override async abandon(): Promise<void> {
    this.#life.abort(new Error("its program is gone"));
    try {
      await super.abandon();
    } finally {
      this.#give();
    }
  }

  async #turn(call: string): Promise<void> {
    this.#allotment.checkBytes(call);
    const { signal } = this.#life;
    await this.#allotment.pace({ isHolder: this.#depth > 0, signal });
  }
}
