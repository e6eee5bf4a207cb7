/** What is known here of one reader's handles. */
interface Known {
  /** Handles of ours that have the card for themselves, or will when what is on the way arrives. */
  readonly holding: Set<object>;
  /** Begins of ours that wait for an answer. */
  waiting: number;
  /** Grows with whatever may have reset the card. */
  changes: number;
  /** Such calls that are under way. */
  changing: number;
}

/** Who of this link has which reader's card for himself, and what may have happened to it. */
export class Holders {
  readonly #known = new Map<string, Known>();

  /** How many readers something is known of. */
  get size(): number {
    return this.#known.size;
  }

  /** Whether nobody but `session` holds the card or waits for it, as far as this link knows. */
  isFreeFor(reader: string, session: object): boolean {
    const known = this.#known.get(reader);
    if (!known) return true;
    const { holding, waiting } = known;
    return waiting === 0 && (holding.size === 0 || (holding.size === 1 && holding.has(session)));
  }

  hold(reader: string, session: object, holds: boolean): void {
    if (holds) this.#of(reader).holding.add(session);
    else this.#known.get(reader)?.holding.delete(session);
  }

  /** Counts somebody who waits for the card until it is his or not. */
  async whileWaiting<T>(reader: string, job: () => Promise<T>): Promise<T> {
    const known = this.#of(reader);
    known.waiting += 1;
    try {
      return await job();
    } finally {
      known.waiting -= 1;
      // Programs may ask for any name: what is as it was before it was known is not kept.
      if (known.waiting + known.holding.size + known.changes === 0) this.#known.delete(reader);
    }
  }

  /** Something may have been done to the card, of which its handles will be told when they ask. */
  changed(reader: string): void {
    this.#of(reader).changes += 1;
  }

  /** The same for a call that may do it at any moment until it is over. */
  async whileChanging<T>(reader: string, job: () => Promise<T>): Promise<T> {
    const known = this.#of(reader);
    known.changes += 1;
    known.changing += 1;
    try {
      return await job();
    } finally {
      known.changes += 1;
      known.changing -= 1;
    }
  }

  /** A mark of now: {@link isUnchanged} tells whether anything may have been done to the card since. */
  mark(reader: string): number {
    const known = this.#known.get(reader);
    if (!known) return 0;
    return known.changing > 0 ? -1 : known.changes;
  }

  isUnchanged(reader: string, since: number): boolean {
    return since >= 0 && this.mark(reader) === since;
  }

  #of(reader: string): Known {
    const known = this.#known.get(reader) ?? {
      holding: new Set(),
      waiting: 0,
      changes: 0,
      changing: 0,
    };
    this.#known.set(reader, known);
    return known;
  }
}
