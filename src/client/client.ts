import type { CardService, Reader } from "../domain/card-service.ts";
import { CardwireError } from "../domain/errors.ts";
import { globMatcher } from "../domain/glob.ts";
import { isLeasing, type Lease, LeaseError, type LeaseWish } from "../domain/leasing.ts";
import { Card, type Sharing, sharingNumbers } from "./card.ts";

/** For logs, and for who asks who has the card. */
const principal = { name: `pid ${process.pid}` };

/** How long a lease lasts unless it is renewed, ms. */
const LEASE_MS = 600_000;

/** Which card is awaited, and for how long. */
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
  #isClosed = false;

  /** Made by `connect`. @param close ends what the service needs; the service itself is disposed here. */
  constructor(service: CardService, close: () => Promise<void>) {
    this.#service = service;
    this.#close = close;
  }

  /** The readers now. Costs nothing. */
  get readers(): readonly Reader[] {
    return this.#service.readers;
  }

  /**
   * Every list of readers, the current one first, until `signal` aborts or the client is closed; the loop ends then,
   * without an error. Who is slow skips lists, never changes.
   */
  changes({ signal }: { signal?: AbortSignal } = {}): AsyncIterable<readonly Reader[]> {
    return this.#service.watch({ signal: signal ?? new AbortController().signal });
  }

  /**
   * Resolves with a reader that has a card, as soon as there is one.
   *
   * @throws the signal's reason when it aborts.
   * @throws {CardwireError} `E_CLOSED` when the client is closed first.
   */
  async waitForCard({ reader = "*", signal }: WaitOptions = {}): Promise<Reader> {
    const matches = globMatcher(reader);
    for await (const readers of this.changes({ ...(signal && { signal }) })) {
      const found = readers.find(({ name, atr }) => atr !== undefined && matches(name));
      if (found) return found;
    }
    signal?.throwIfAborted();
    throw closed();
  }

  /**
   * Connects to the card in a reader: SCardConnect. Waits while another program has it in a transaction.
   *
   * @param reader its whole name.
   * @throws {ReturnCodeError} `SCARD_E_NO_SMARTCARD`, `SCARD_E_UNKNOWN_READER`, `SCARD_E_SHARING_VIOLATION` …
   * @throws {CardwireError} `E_CLOSED` once the client is closed.
   */
  async connect(
    reader: string,
    how: Sharing & { readonly signal?: AbortSignal } = {},
  ): Promise<Card> {
    if (this.#isClosed) throw closed();
    const signal = how.signal ?? new AbortController().signal;
    const options = { ...sharingNumbers(how), principal };
    const { session, activeProtocol } = await this.#service.connect(reader, options, { signal });
    if (this.#isClosed) {
      await session.abandon();
      throw closed();
    }
    const onEnd = (): void => void this.#cards.delete(card);
    const card: Card = new Card(reader, session, { activeProtocol, onEnd });
    this.#cards.add(card);
    return card;
  }

  /**
   * Keeps the card in a reader for this client's identity alone, where `cardwire serve` offers it. It lasts for `forMs`
   * (10 min unless told) from now on, and from each renewal on; renewing it is the caller's affair. It ends with the
   * client.
   *
   * @param reader its whole name.
   * @param how.wait waits for its turn, which it does unless told.
   * @throws {LeaseError} why there is none.
   * @throws {CardwireError} `E_CLOSED` once the client is closed.
   */
  async lease(
    reader: string,
    how: Partial<LeaseWish> & { readonly signal?: AbortSignal } = {},
  ): Promise<Lease> {
    if (this.#isClosed) throw closed();
    const { forMs = LEASE_MS, wait = true, onPlace, signal = new AbortController().signal } = how;
    if (!isLeasing(this.#service))
      throw new LeaseError("not-offered", `nobody leases ${reader}: it is not offered by a serve`);
    return await this.#service.lease(reader, { forMs, wait, onPlace }, { signal });
  }

  /** Ends every call that waits for a card, too. Again, it does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      // At once: a card that is still busy is done with when the service is.
      await Promise.all([...this.#cards, this.#service].map((each) => each[Symbol.asyncDispose]()));
    } finally {
      await this.#close();
    }
  }
}

const closed = (): CardwireError => new CardwireError("E_CLOSED", "the client was closed");
