/** What was opened so far, one thing on top of the other. Disposing ends all of it, the last one first. */
export class Holdings implements AsyncDisposable {
  readonly #held: AsyncDisposable[] = [];

  hold<T extends AsyncDisposable>(one: T): T {
    this.#held.push(one);
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let one = this.#held.pop(); one; one = this.#held.pop()) await one[Symbol.asyncDispose]();
  }
}
