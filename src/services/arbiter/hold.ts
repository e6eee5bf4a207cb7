import type { ArbiterLimits } from "./limits.ts";
import type { Turn } from "./queue.ts";

/** What a transaction came to; times in ms. */
export interface Spent {
  readonly waitedMs: number;
  readonly heldMs: number;
  readonly commands: number;
}

/** A transaction that was granted: its turn, and how long it may last. */
export class Hold {
  /** Begins that were not ended. */
  depth = 1;
  /** Sent so far. */
  commands = 0;
  readonly turn: Turn;
  readonly #since = performance.now();
  readonly #idle: NodeJS.Timeout | undefined;
  readonly #total: NodeJS.Timeout | undefined;
  #isBusy = false;
  #isOver = false;

  /** @param limits of each identity; those that hold now count for this transaction. */
  constructor(
    turn: Turn,
    limits: (identity: string) => ArbiterLimits,
    late: (why: "idle" | "total") => void,
  ) {
    this.turn = turn;
    const { idleMs, totalMs } = limits(turn.identity);
    if (idleMs > 0) {
      const idle = setTimeout(() => {
        if (!this.#isBusy) late("idle");
      }, idleMs);
      this.#idle = idle;
    }
    if (totalMs > 0) this.#total = setTimeout(() => late("total"), totalMs);
    this.#idle?.unref();
    this.#total?.unref();
  }

  /** A command begins. */
  begins(): void {
    this.commands += 1;
    this.#isBusy = true;
  }

  /** It was answered. */
  ends(): void {
    this.#isBusy = false;
    if (!this.#isOver) this.#idle?.refresh();
  }

  /** The transaction is over, and the next one's turn begins. */
  release(): Spent {
    const { commands } = this;
    const heldMs = performance.now() - this.#since;
    this.#isOver = true;
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
    this.turn.give();
    return { waitedMs: this.turn.waitedMs, heldMs, commands };
  }
}
