import type { CardSession, ConnectOptions } from "../domain/card-service.ts";

/** A session that hands every call on; whoever extends it changes what he is there for. */
export class ForwardingSession implements CardSession {
  protected readonly inner: CardSession;

  constructor(inner: CardSession) {
    this.inner = inner;
  }

  begin(options: { signal: AbortSignal }): Promise<void> {
    return this.inner.begin(options);
  }

  end(disposition: number): Promise<void> {
    return this.inner.end(disposition);
  }

  transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): ReturnType<CardSession["transmit"]> {
    return this.inner.transmit(apdu, pci);
  }

  control(code: number, data: Uint8Array): Promise<Uint8Array> {
    return this.inner.control(code, data);
  }

  status(): Promise<void> {
    return this.inner.status();
  }

  getAttribute(id: number): Promise<Uint8Array> {
    return this.inner.getAttribute(id);
  }

  setAttribute(id: number, value: Uint8Array): Promise<void> {
    return this.inner.setAttribute(id, value);
  }

  reconnect(how: Omit<ConnectOptions, "principal">, initialization: number): Promise<number> {
    return this.inner.reconnect(how, initialization);
  }

  disconnect(disposition: number): Promise<void> {
    return this.inner.disconnect(disposition);
  }

  abandon(): Promise<void> {
    return this.inner.abandon();
  }
}
