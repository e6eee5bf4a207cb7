import { type Deferred, deferred } from "../../domain/deferred.ts";

/**
 * How long a connect may take, ms, before it is taken to wait for another program's transaction. Others are kept waiting
 * for no longer; pcscd itself has whoever begins a transaction wait for as long.
 */
const WAITS_MS = 100;

/** A call whose caller did not wait. */
interface Early {
  readonly card: number;
  /** Settles when it is over. */
  readonly done: Promise<unknown>;
  /** The same, or when the connect of its handle is known to wait: nothing is done to the card before that is over. */
  readonly passable: Promise<unknown>;
}

/**
 * Keeps calls on one reader in the order in which they arrived, where their callers rely on it: a call whose caller
 * went on without its answer comes before every later one on that reader, whichever handle makes it.
 *
 * Only a connect that waits is passed by those that pcscd would answer at once: that card is held by somebody else.
 */
export class ReaderOrder {
  readonly #early = new Map<string, Set<Early>>();
  /** Connects that are not over, by handle: each settles when it is known to wait. */
  readonly #connects = new Map<number, Deferred<void>>();

  /**
   * What a call on `reader` by `card` has to wait for; undefined when it may begin.
   *
   * @param waits whether it would wait for another program's transaction, too.
   */
  before(reader: string, card: number, waits: boolean): Promise<unknown> | undefined {
    const others = [...(this.#early.get(reader) ?? [])].filter((one) => one.card !== card);
    if (others.length === 0) return undefined;
    return Promise.all(others.map(({ done, passable }) => (waits ? done : passable)));
  }

  /** A call whose caller did not wait. @param done resolves when it is over; never rejects. */
  add(reader: string, card: number, done: Promise<unknown>): void {
    const ofReader = this.#early.get(reader) ?? new Set();
    const connect = this.#connects.get(card);
    const passable = connect ? Promise.race([done, connect.promise]) : done;
    const early = { card, done, passable };
    this.#early.set(reader, ofReader.add(early));
    void done.then(() => {
      ofReader.delete(early);
      if (ofReader.size === 0 && this.#early.get(reader) === ofReader) this.#early.delete(reader);
    });
  }

  /**
   * The connect of `card`, whose caller does not wait. What is added for that handle until it is over waits with it.
   *
   * @returns what carries it out, when it is its turn.
   */
  connecting<T>(card: number, connect: () => Promise<T>): () => Promise<T> {
    const waits = deferred();
    this.#connects.set(card, waits);
    return async () => {
      const timer = setTimeout(waits.resolve, WAITS_MS);
      timer.unref();
      try {
        return await connect();
      } finally {
        clearTimeout(timer);
        if (this.#connects.get(card) === waits) this.#connects.delete(card);
      }
    };
  }
}
