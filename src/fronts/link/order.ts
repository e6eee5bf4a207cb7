import { type Deferred, deferred } from "../../domain/deferred.ts";
import { UnderWay } from "./under-way.ts";

/**
 * How long a connect may take, ms, before it is taken to wait for another program's transaction. Others are kept waiting
 * for no longer; pcscd itself has whoever begins a transaction wait for as long.
 */
const WAITS_MS = 100;

/** The calls on one reader whose callers did not wait, and that are not over. */
interface Early {
  /** How many of each handle. */
  readonly ofCard: Map<number, number>;
  /** All of them. */
  readonly calls: UnderWay;
  /** The same without those behind a connect that is known to wait: nothing is done to the card before that is over. */
  readonly unpassed: UnderWay;
}

/**
 * Keeps calls on one reader in the order in which they arrived, where their callers rely on it: a call whose caller
 * went on without its answer comes before every later one on that reader, whichever handle makes it. However many wait,
 * one more takes no longer.
 *
 * Only a connect that waits is passed by those that pcscd would answer at once: that card is held by somebody else.
 */
export class ReaderOrder {
  readonly #early = new Map<string, Early>();
  /** Connects that are not over, by handle: each settles when it is known to wait. */
  readonly #connects = new Map<number, Deferred<void>>();

  /**
   * What a call on `reader` by `card` has to wait for; undefined when it may begin.
   *
   * @param waits whether it would wait for another program's transaction, too.
   */
  before(reader: string, card: number, waits: boolean): Promise<void> | undefined {
    const early = this.#early.get(reader);
    if (!early || early.ofCard.size === (early.ofCard.has(card) ? 1 : 0)) return undefined;
    // Its own are among them: behind those it waits in any case.
    return (waits ? early.calls : early.unpassed).over();
  }

  /** A call whose caller did not wait. @param done resolves when it is over; never rejects. */
  add(reader: string, card: number, done: Promise<unknown>): void {
    const early = this.#of(reader);
    const { ofCard, calls, unpassed } = early;
    const connect = this.#connects.get(card);
    ofCard.set(card, (ofCard.get(card) ?? 0) + 1);
    calls.add(done);
    unpassed.add(connect ? Promise.race([done, connect.promise]) : done);
    void done.then(() => {
      const others = (ofCard.get(card) ?? 0) - 1;
      if (others > 0) ofCard.set(card, others);
      else {
        ofCard.delete(card);
        this.#connects.delete(card); // it may have been refused before its turn
      }
      if (ofCard.size === 0 && this.#early.get(reader) === early) this.#early.delete(reader);
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

  #of(reader: string): Early {
    const early = this.#early.get(reader) ?? {
      ofCard: new Map(),
      calls: new UnderWay(),
      unpassed: new UnderWay(),
    };
    this.#early.set(reader, early);
    return early;
  }
}
