import type { CardSession } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import { type CardEnd, endNumber } from "./names.ts";

/** What ends a transaction by itself; there is nothing to end any more then. */
const over = new Set<number>([Rv.RemovedCard, Rv.ResetCard, Rv.ReaderUnavailable]);

/** The time in which a card is one program's alone. */
export class Transaction implements AsyncDisposable {
  readonly #session: CardSession;
  #isOpen = true;

  /** Made by `Card.transaction`. */
  constructor(session: CardSession) {
    this.#session = session;
  }

  /** SCardEndTransaction. Again, it does nothing. @throws {ReturnCodeError} as that does. */
  async end(end: CardEnd = "leave"): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#session.end(endNumber(end));
  }

  /** The same, leaving the card. A card that was reset or removed meanwhile is no error here: the transaction is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.end();
    } catch (error) {
      if (!(error instanceof ReturnCodeError && over.has(error.rv))) throw error;
    }
  }
}
