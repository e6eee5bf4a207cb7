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
  #idle: NodeJS.Timeout | undefined;
  readonly #total: NodeJS.Timeout | undefined;
  /** When the last command was answered, or the transaction granted, as performance.now() counts. */
  #restsSince = this.#since;
  #isBusy = false;

  /** @param limits of each identity; those that hold now count for this transaction. */
  constructor(
    turn: Turn,
    limits: (identity: string) => ArbiterLimits,
    late: (why: "idle" | "total") => void,
  ) {
    this.turn = turn;
    const { idleMs, totalMs } = limits(turn.identity);
    if (idleMs > 0) {
      // Not set anew with each command, but for what is left when it is over.
      const look = (): void => {
        const leftMs = this.#isBusy ? idleMs : this.#restsSince + idleMs - performance.now();
        if (leftMs <= 0) late("idle");
        else this.#idle = setTimeout(look, Math.ceil(leftMs)).unref();
      };
      this.#idle = setTimeout(look, idleMs).unref();
    }
    if (totalMs > 0) this.#total = setTimeout(() => late("total"), totalMs);
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
    this.#restsSince = performance.now();
  }

  /** The transaction is over, and the next one's turn begins. */
  release(): Spent {
    const { commands } = this;
    const heldMs = performance.now() - this.#since;
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
    this.turn.give();
    return { waitedMs: this.turn.waitedMs, heldMs, commands };
  }
}
