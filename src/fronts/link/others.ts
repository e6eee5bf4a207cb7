import type { CardService, Reader } from "../../domain/card-service.ts";
import type { ServedCard } from "./served-card.ts";

/**
 * How long a count of handles may be old, ms: pcscd looks every 0.4 s. For so long after a connect others that were
 * there before it are taken to be there still.
 */
const COUNT_MS = 600;

/** Whether programs that do not come through a link may have a card for themselves. */
export class Others {
  readonly #service: CardService;
  /** The link's handles. */
  readonly #cards: ReadonlyMap<number, ServedCard>;
  /** Until when others may still use a reader, by its name, as performance.now() counts. */
  readonly #until = new Map<string, number>();

  constructor(service: CardService, cards: ReadonlyMap<number, ServedCard>) {
    this.#service = service;
    this.#cards = cards;
  }

  /** Whether the passing of time alone may change what is true. */
  get mayLeave(): boolean {
    return this.#until.size > 0;
  }

  /** A handle of the link is about to be connected, and nobody can tell it from another's in the count. */
  connecting(name: string): void {
    if (this.use(name)) this.#until.set(name, performance.now() + COUNT_MS);
  }

  use(name: string): boolean {
    const reader = this.#service.readers.find((one) => one.name === name);
    return reader !== undefined && this.mayHold(reader);
  }

  mayHold({ name, sharing }: Reader): boolean {
    const until = this.#until.get(name);
    if (until !== undefined) {
      if (until > performance.now()) return true;
      this.#until.delete(name);
    }
    let own = 0;
    let isExclusive = false;
    for (const card of this.#cards.values()) {
      if (card.reader !== name || !card.isCounted) continue;
      own += 1;
      isExclusive ||= card.isExclusive;
    }
    return sharing < 0 ? !isExclusive : sharing > own;
  }
}
