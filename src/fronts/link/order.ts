/**
 * Keeps calls on one reader in the order in which they arrived, where their callers rely on it: a call whose caller
 * went on without its answer comes before every later one on that reader, whichever session makes it.
 */
export class ReaderOrder {
  readonly #early = new Map<
    string,
    Set<{ readonly card: number; readonly done: Promise<unknown> }>
  >();

  /** What a call on `reader` by `card` has to wait for; undefined when it may begin. */
  before(reader: string, card: number): Promise<unknown> | undefined {
    const others = [...(this.#early.get(reader) ?? [])].filter((one) => one.card !== card);
    return others.length === 0 ? undefined : Promise.all(others.map(({ done }) => done));
  }

  /** A call whose caller did not wait. @param done resolves when it is over; never rejects. */
  add(reader: string, card: number, done: Promise<unknown>): void {
    const ofReader = this.#early.get(reader) ?? new Set();
    const early = { card, done };
    this.#early.set(reader, ofReader.add(early));
    void done.then(() => {
      ofReader.delete(early);
      if (ofReader.size === 0 && this.#early.get(reader) === ofReader) this.#early.delete(reader);
    });
  }
}
