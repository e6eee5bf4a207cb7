/** Somebody who wants a card for himself. */
export interface Ticket {
  /** Whose wish it is. */
  readonly identity: string;
}

/** A ticket in the queue. */
interface Place<T> {
  readonly ticket: T;
  /** In each round every identity has one turn. */
  readonly round: number;
}

/**
 * Whose turn it is at one card, one at a time: in order of arrival, and an identity of whom several wait has them
 * alternately with the others, so that nobody is kept away by any number of another's. While the card is kept for one
 * identity, only those of his get a turn, and the others keep their places. Knows no clock and waits for nothing: who
 * asks is told at once whether it is his turn, and who gives a turn back is told whose it is then.
 *
 * Invariants: there is no holder only if nobody who waits may have a turn; nobody is passed by one who came later,
 * unless the card is kept for that one's identity and not for his, or another of his own identity has it or waits
 * before him.
 */
export class Turns<T extends Ticket> {
  #holder: T | undefined;
  readonly #queue: Place<T>[] = [];
  #keptFor: string | undefined;
  /** The latest round in which somebody had a turn. */
  #round = 0;

  get holder(): T | undefined {
    return this.#holder;
  }

  /** In the order of their turns. */
  get waiting(): readonly T[] {
    return this.#queue.map(({ ticket }) => ticket);
  }

  /** The identity that the card is kept for. */
  get keptFor(): string | undefined {
    return this.#keptFor;
  }

  /** @returns whether it is his turn at once; else he waits. */
  ask(ticket: T): boolean {
    if (this.#holder || !this.#may(ticket)) {
      const own = this.#queue.findLast((place) => place.ticket.identity === ticket.identity);
      const round = Math.max(this.#round, own?.round ?? 0) + 1;
      const before = this.#queue.findLastIndex((place) => place.round <= round);
      this.#queue.splice(before + 1, 0, { ticket, round });
      return false;
    }
    this.#holder = ticket;
    return true;
  }

  /** He does not wait any longer. */
  withdraw(ticket: T): void {
    const place = this.#queue.findIndex((one) => one.ticket === ticket);
    if (place >= 0) this.#queue.splice(place, 1);
  }

  /**
   * His turn is over.
   *
   * @returns whose it is now.
   * @throws {TypeError} when it was not his.
   */
  give(ticket: T): T | undefined {
    if (this.#holder !== ticket) throw new TypeError("it is somebody else's turn");
    this.#holder = undefined;
    return this.#next();
  }

  /**
   * Keeps the card for one identity, or for nobody in particular. A turn under way goes on.
   *
   * @returns whose turn it is now, if somebody's begins by that.
   */
  keepFor(identity: string | undefined): T | undefined {
    this.#keptFor = identity;
    return this.#holder ? undefined : this.#next();
  }

  #may({ identity }: T): boolean {
    return this.#keptFor === undefined || this.#keptFor === identity;
  }

  #next(): T | undefined {
    const place = this.#queue.findIndex(({ ticket }) => this.#may(ticket));
    if (place < 0) return undefined;
    const [next] = this.#queue.splice(place, 1);
    this.#round = Math.max(this.#round, next?.round ?? 0);
    this.#holder = next?.ticket;
    return this.#holder;
  }
}
