import type { RemoteSession } from "./session.ts";

/** The handles of one link, open or on the way. */
export class Handles {
  #number = 0;
  readonly #readers = new Map<number, string>();
  readonly #sessions = new Map<number, RemoteSession>();

  /** How many are open. */
  get size(): number {
    return this.#sessions.size;
  }

  /** A number for another one, which is on the way from now on. */
  number(reader: string): number {
    this.#number = (this.#number % 0xffff_fffe) + 1;
    this.#readers.set(this.#number, reader);
    return this.#number;
  }

  /** Its reader; undefined where there is no such handle. */
  readerOf(card: number): string | undefined {
    return this.#readers.get(card);
  }

  open(card: number, session: RemoteSession): void {
    this.#readers.set(card, session.reader);
    this.#sessions.set(card, session);
  }

  /** @returns whether it was open. */
  close(card: number): boolean {
    this.#readers.delete(card);
    return this.#sessions.delete(card);
  }

  /** The link was lost, and all of them with it. */
  lost(): void {
    for (const session of this.#sessions.values()) session.lost();
    this.#readers.clear();
    this.#sessions.clear();
  }
}
