import type { CardService, Reader } from "../domain/card-service.ts";
import { globMatcher } from "../domain/glob.ts";
import { Card, type Sharing, sharingNumbers } from "./card.ts";

/** For logs, and for who asks who has the card. */
const principal = { name: `pid ${process.pid}` };

export interface WaitOptions {
  /** Glob over readers' names; any reader unless told. */
  readonly reader?: string;
  readonly signal?: AbortSignal;
}

/** Readers, wherever they are, and the cards in them. Disposing closes every card and the way there. */
export class Client implements AsyncDisposable {
  readonly #service: CardService;
  readonly #close: () => Promise<void>;
  readonly #cards = new Set<Card>();

  /** Made by `connect`. @param close ends what the service needs; the service itself is disposed here. */
  constructor(service: CardService, close: () => Promise<void>) {
    this.#service = service;
    this.#close = close;
  }

  /** The readers now. Costs nothing. */
  get readers(): readonly Reader[] {
    return this.#service.readers;
  }

  /** Every list of readers, the current one first, until `signal` aborts. Who is slow skips lists, never changes. */
  changes({ signal }: { signal?: AbortSignal } = {}): AsyncIterable<readonly Reader[]> {
    return this.#service.watch({ signal: signal ?? new AbortController().signal });
  }

  /** Resolves with a reader that has a card, as soon as there is one. @throws the signal's reason when it aborts. */
  async waitForCard({ reader = "*", signal }: WaitOptions = {}): Promise<Reader> {
    const matches = globMatcher(reader);
    for await (const readers of this.changes({ ...(signal && { signal }) })) {
      const found = readers.find(({ name, atr }) => atr !== undefined && matches(name));
      if (found) return found;
    }
    signal?.throwIfAborted();
    throw new Error("the readers were closed");
  }

  /**
   * Connects to the card in a reader: SCardConnect. Waits while another program has it in a transaction.
   *
   * @param reader its whole name.
   * @throws {ReturnCodeError} `SCARD_E_NO_SMARTCARD`, `SCARD_E_UNKNOWN_READER`, `SCARD_E_SHARING_VIOLATION` …
   */
  async connect(
    reader: string,
    how: Sharing & { readonly signal?: AbortSignal } = {},
  ): Promise<Card> {
    const signal = how.signal ?? new AbortController().signal;
    const options = { ...sharingNumbers(how), principal };
    const { session, activeProtocol } = await this.#service.connect(reader, options, { signal });
    const onEnd = (): void => void this.#cards.delete(card);
    const card: Card = new Card(reader, session, { activeProtocol, onEnd });
    this.#cards.add(card);
    return card;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#cards].map((card) => card[Symbol.asyncDispose]()));
    await this.#service[Symbol.asyncDispose]();
    await this.#close();
  }
}
