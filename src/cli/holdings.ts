/** What was opened so far, one thing on top of the other. Disposing ends all of it, the last one first. */
export class Holdings implements AsyncDisposable {
  readonly #held: AsyncDisposable[] = [];

  hold<T extends AsyncDisposable>(one: T): T {
    this.#held.push(one);
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#held.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  }
}
