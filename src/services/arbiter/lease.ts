import { setTimeout as delay } from "node:timers/promises";
import { type Lease as DomainLease, LeaseError } from "../../domain/leasing.ts";
import type { Desk } from "./desk.ts";
import type { LeaseEnd } from "./events.ts";
import type { Turn } from "./queue.ts";
import type { Tenure } from "./tenure.ts";

export interface LeaseOptions {
  readonly identity: string;
  /** How long it lasts unless it is renewed, ms. */
  readonly forMs: number;
}

/**
 * Exclusive use of one reader's card for one identity: only his programs have turns. It ends by {@link release}, or by
 * itself when it is not renewed in time; a transaction of his that is under way then is taken away, and whatever was
 * connected under the lease is refused until it reconnects.
 */
export class Lease implements DomainLease, Tenure {
  readonly reader: string;
  readonly identity: string;
  readonly fence: number;
  readonly #desk: Desk;
  readonly #ended = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #expiresAt = 0;
  #ending: Promise<void> | undefined;

  /** Use {@link takeLease}. */
  constructor(desk: Desk, fence: number, { identity, forMs }: LeaseOptions) {
    this.#desk = desk;
    this.reader = desk.reader;
    this.identity = identity;
    this.fence = fence;
    desk.tenure = this;
    desk.queue.keepFor(identity);
    this.#expireIn(forMs);
    desk.tell({ type: "lease", reader: this.reader, identity, fence });
  }

  /** When it ends unless it is renewed, as Date.now() counts. */
  get expiresAt(): number {
    return this.#expiresAt;
  }

  /** Aborts when the lease is over, for whatever reason. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Lasts so long from now on, ms. @throws {LeaseError} when it is over already. */
  renew(forMs: number): void {
    if (this.#ending) throw new LeaseError("over", `the lease of ${this.reader} is over`);
    this.#expireIn(forMs);
    const { reader, identity, fence } = this;
    this.#desk.tell({ type: "lease-renewed", reader, identity, fence });
  }

  /** Ends it. Resolves when no command of its sessions can reach the card any more. */
  async release(why: LeaseEnd = "released"): Promise<void> {
    this.#ending ??= this.#end(why);
    await this.#ending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #expireIn(forMs: number): void {
    clearTimeout(this.#timer);
    this.#expiresAt = Date.now() + forMs;
    this.#timer = setTimeout(() => void this.release("time"), forMs);
    this.#timer.unref();
  }

  async #end(why: LeaseEnd): Promise<void> {
    clearTimeout(this.#timer);
    const { reader, identity, fence } = this;
    const desk = this.#desk;
    desk.tenure = undefined; // from here on the number is no longer in force
    this.#ended.abort(new LeaseError("over", `the lease of ${reader} is over: ${words[why]}`));
    await Promise.all([...desk.sessions].map((session) => session.endTenure(fence)));
    if (!desk.tenure) desk.queue.keepFor(undefined); // else he has another one by now
    desk.tell({ type: "lease-ended", reader, identity, fence, why });
  }
}

const words: Readonly<Record<LeaseEnd, string>> = {
  released: "it was released",
  time: "its time is over",
  kick: "an administrator ended it",
  gone: "its holder is gone",
  denied: "its holder may not use the reader any more",
};

/** Between two looks at whether somebody else still has the card exclusively, ms. */
const AGAIN_MS = 50;

/** A turn while nobody else has the card exclusively: his commands would wait for the lease, and the lease's for him. */
async function takeTurn(desk: Desk, identity: string, signal: AbortSignal): Promise<Turn> {
  for (;;) {
    const turn = await desk.queue.take(identity, { call: "lease", signal });
    if ((await desk.makeWay(identity)) === undefined) return turn;
    turn.give();
    await delay(AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** The last number that was given out for a reader. */
const last = new WeakMap<Desk, number>();

/**
 * Waits for its turn in the queue of the card, and then has it leased.
 *
 * @throws {LeaseError} when this identity has a lease of it already.
 */
export async function takeLease(
  desk: Desk,
  options: LeaseOptions,
  { signal }: { signal: AbortSignal },
): Promise<Lease> {
  const { identity } = options;
  const refuse = () =>
    new LeaseError("refused", `${identity} has a lease of ${desk.reader} already`);
  if (desk.tenure?.identity === identity) throw refuse();
  const turn = await takeTurn(desk, identity, signal);
  try {
    if (desk.tenure) throw refuse();
    // Also above those that were given out before a restart.
    const fence = Math.max((last.get(desk) ?? 0) + 1, Date.now());
    last.set(desk, fence);
    return new Lease(desk, fence, options);
  } finally {
    turn.give();
  }
}
