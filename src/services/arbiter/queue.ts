import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { type Ticket, Turns } from "../../domain/turns.ts";

interface Waiter extends Ticket {
  readonly what: string;
  readonly since: number;
  /** Its turn has come. */
  go: () => void;
}

/** Somebody's time with the card. */
export interface Turn {
  readonly identity: string;
  /** How long it was waited for, ms. */
  readonly waitedMs: number;
  /** Ends it. The second time does nothing. */
  give(): void;
}

/** One who waits for a card, for people. */
export interface Place {
  readonly identity: string;
  /** The PC/SC function that waits, or `lease`. */
  readonly what: string;
  readonly waitedMs: number;
}

export interface TakeOptions {
  /** The PC/SC function, for the error. */
  readonly call: string;
  readonly signal: AbortSignal;
  /** How long it may take, ms; 0 for any time. */
  readonly withinMs?: number;
}

/** The queue in front of one card: {@link Turns}, for those who can wait. */
export class Queue {
  readonly #turns = new Turns<Waiter>();
  readonly #most: (identity: string) => number;

  /** @param most of one identity that may wait. */
  constructor(most: (identity: string) => number) {
    this.#most = most;
  }

  get holder(): string | undefined {
    return this.#turns.holder?.identity;
  }

  /** Whether somebody waits who could have a turn now. */
  get isWanted(): boolean {
    const { keptFor, waiting } = this.#turns;
    return waiting.some(({ identity }) => keptFor === undefined || keptFor === identity);
  }

  get places(): readonly Place[] {
    const now = performance.now();
    return this.#turns.waiting.map(({ identity, what, since }) => ({
      identity,
      what,
      waitedMs: now - since,
    }));
  }

  /** See {@link Turns.keepFor}. */
  keepFor(identity: string | undefined): void {
    this.#turns.keepFor(identity)?.go();
  }

  /**
   * Resolves when it is its turn.
   *
   * @throws {ReturnCodeError} `SCARD_E_SERVER_TOO_BUSY` when too many of this identity wait already,
   *   `SCARD_E_SHARING_VIOLATION` when it took too long.
   * @throws the signal's reason.
   */
  async take(identity: string, { call, signal, withinMs = 0 }: TakeOptions): Promise<Turn> {
    signal.throwIfAborted();
    const waiter: Waiter = { identity, what: call, since: performance.now(), go: () => {} };
    if (this.#turns.ask(waiter)) return this.#turn(waiter, 0);
    const own = this.#turns.waiting.filter((one) => one.identity === identity);
    if (own.length > this.#most(identity)) {
      this.#turns.withdraw(waiter);
      throw new ReturnCodeError(call, Rv.ServerTooBusy);
    }
    await this.#wait(waiter, { call, signal, withinMs });
    return this.#turn(waiter, performance.now() - waiter.since);
  }

  async #wait(waiter: Waiter, { call, signal, withinMs }: Required<TakeOptions>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let abort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        const giveUp = (reason: unknown) => {
          this.#turns.withdraw(waiter);
          reject(reason);
        };
        waiter.go = resolve;
        abort = () => giveUp(signal.reason);
        signal.addEventListener("abort", abort, { once: true });
        if (withinMs === 0) return;
        const late = new ReturnCodeError(call, Rv.SharingViolation);
        timer = setTimeout(() => giveUp(late), withinMs);
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  #turn(waiter: Waiter, waitedMs: number): Turn {
    let isOver = false;
    const give = () => {
      if (isOver) return;
      isOver = true;
      this.#turns.give(waiter)?.go();
    };
    return { identity: waiter.identity, waitedMs, give };
  }
}
