import type { CardSession } from "../../domain/card-service.ts";
import { ForwardingSession } from "../forwarding-session.ts";

/** Runs what closes a handle, and takes note of it. */
export type Closing = (handle: object, job: () => Promise<void>) => Promise<void>;

/** A session whose end is taken note of, whichever way it ends. */
export class CountedSession extends ForwardingSession {
  readonly #closing: Closing;

  constructor(inner: CardSession, closing: Closing) {
    super(inner);
    this.#closing = closing;
  }

  override async disconnect(disposition: number): Promise<void> {
    await this.#closing(this, () => super.disconnect(disposition));
  }

  override async abandon(): Promise<void> {
    await this.#closing(this, () => super.abandon());
  }
}
