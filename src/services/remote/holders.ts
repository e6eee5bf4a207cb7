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

  /** Whether nobody but `session` holds the card or waits for it, as far as this link knows. */
  isFreeFor(reader: string, session: object): boolean {
    const known = this.#known.get(reader);
    if (!known) return true;
    const { holding, waiting } = known;
    return waiting === 0 && (holding.size === 0 || (holding.size === 1 && holding.has(session)));
  }

  hold(reader: string, session: object, holds: boolean): void {
    const { holding } = this.#of(reader);
    if (holds) holding.add(session);
    else holding.delete(session);
  }

  /** Counts somebody who waits for the card until it is his or not. */
  async whileWaiting<T>(reader: string, job: () => Promise<T>): Promise<T> {
    const known = this.#of(reader);
    known.waiting += 1;
    try {
      return await job();
    } finally {
      known.waiting -= 1;
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
    const { changes, changing } = this.#of(reader);
    return changing > 0 ? -1 : changes;
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
