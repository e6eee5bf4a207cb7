import type { Desk } from "./desk.ts";
import type { Turn } from "./queue.ts";

/** A transaction that was granted: its turn, and how long it may last. */
export class Hold {
  /** Begins that were not ended. */
  depth = 1;
  /** Sent so far. */
  #commands = 0;
  readonly #turn: Turn;
  readonly #desk: Pick<Desk, "reader" | "limits" | "tell">;
  readonly #since = performance.now();
  #idle: NodeJS.Timeout | undefined;
  readonly #total: NodeJS.Timeout | undefined;
  /** When the last command was answered, or the transaction granted, as performance.now() counts. */
  #restsSince = this.#since;
  #isBusy = false;

  /** @param desk whose limits hold now count for this transaction. */
  constructor(
    turn: Turn,
    desk: Pick<Desk, "reader" | "limits" | "tell">,
    late: (why: "idle" | "total") => void,
  ) {
    this.#turn = turn;
    this.#desk = desk;
    const { idleMs, totalMs } = desk.limits(turn.identity);
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

  /** Sends a command. @throws as `job`. */
  async during<T>(job: () => Promise<T>): Promise<T> {
    this.#commands += 1;
    this.#isBusy = true;
    try {
      return await job();
    } finally {
      this.#isBusy = false;
      this.#restsSince = performance.now();
    }
  }

  /** The transaction is over, and the next one's turn begins. */
  release(how: "ended" | "taken"): void {
    const commands = this.#commands;
    const { reader, tell } = this.#desk;
    const { identity, waitedMs } = this.#turn;
    const heldMs = performance.now() - this.#since;
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
    this.#turn.give();
    tell({ type: "transaction", reader, identity, waitedMs, heldMs, commands, how });
  }
}
