import { ProtocolError } from "../../domain/errors.ts";
import { type Lease, LeaseError, type Leasing, type LeaseRefusal } from "../../domain/leasing.ts";
import type { LinkEnd } from "../../link/end.ts";
import {
  type Body,
  type Frame,
  type LeaseCallType,
  LeaseFlag,
  LeaseReason,
  Type,
} from "../../wire/link/frames.ts";

/** Leases of one link, granted or waited for. A cardwire at the other end keeps to less. */
const MAX_LEASES = 64;
/** Longest text behind a frame, characters: four bytes each fit. */
const MAX_WORDS = 256;

interface Held {
  /** Gives up the waiting. */
  readonly stop: AbortController;
  lease?: Lease;
  /** Renewals that were not answered, and for how long the latest is, ms. */
  renewals: number;
  renewForMs: number;
}

/** The leases that the programs at the other end of one link ask for. They end with its session. */
export class ServedLeases {
  readonly #leasing: Leasing | undefined;
  readonly #end: Pick<LinkEnd, "send">;
  readonly #held = new Map<number, Held>();
  /** Of all of them so far. */
  #highest = 0;

  /** @param leasing gives them to whose link it is; undefined where nobody does. */
  constructor(end: Pick<LinkEnd, "send">, leasing: Leasing | undefined) {
    this.#end = end;
    this.#leasing = leasing;
  }

  /** @throws {ProtocolError} for what a cardwire never sends. */
  frame(frame: Frame<LeaseCallType>): void {
    const { lease: number } = frame.body;
    // One that there was may be over meanwhile, and the other end not know it yet; numbers rise.
    if (frame.type === Type.Lease) this.#highest = Math.max(this.#highest, number);
    else if (number > this.#highest) throw new ProtocolError(`there is no lease ${number}`);
    switch (frame.type) {
      case Type.Lease:
        return this.#lease(frame.body);
      case Type.Renew:
        return this.#renew(frame.body);
      case Type.Release:
        return this.#release(frame.body.lease);
    }
  }

  /** The session is over, and they are with it. */
  over(): void {
    for (const number of this.#held.keys()) this.#release(number, "gone");
  }

  #lease(body: Body<typeof Type.Lease>): void {
    const { lease: number } = body;
    if (this.#held.has(number)) throw new ProtocolError(`lease ${number} is there already`);
    if (this.#held.size >= MAX_LEASES) throw new ProtocolError("too many leases");
    const held: Held = { stop: new AbortController(), renewals: 0, renewForMs: 0 };
    this.#held.set(number, held);
    this.#take(held, body).catch((error: unknown) => this.#tellOver(number, error));
  }

  /** @throws why there is no lease. */
  async #take(held: Held, { lease: number, ...wish }: Body<typeof Type.Lease>): Promise<void> {
    if (!this.#leasing)
      throw new LeaseError("not-offered", "not offered: the card host runs no serve");
    const { reader, forMs, flags } = wish;
    const options = {
      forMs,
      wait: (flags & LeaseFlag.Wait) !== 0,
      onPlace: ({ ahead, holder = "" }: { ahead: number; holder: string | undefined }) =>
        this.#end.send(Type.Place, { lease: number, ahead }, words(holder)),
    };
    const lease = await this.#leasing.lease(reader, options, held.stop);
    held.lease = lease;
    this.#tellLeased(number, lease);
    const over = (): void => this.#tellOver(number, lease.ended.reason);
    if (lease.ended.aborted) over();
    else lease.ended.addEventListener("abort", over, { once: true });
    if (held.stop.signal.aborted) await lease.release(); // given up while it was granted
  }

  #renew({ lease: number, forMs }: Body<typeof Type.Renew>): void {
    const held = this.#held.get(number);
    if (!held?.lease) return; // it is over, and the other end is told so just now
    held.renewForMs = forMs;
    held.renewals += 1;
    if (held.renewals > 1) return;
    this.#renewAll(number, held, held.lease).catch((error: unknown) =>
      this.#tellOver(number, error),
    );
  }

  /** One at a time, and those that come meanwhile are one: many take no more memory than that. */
  async #renewAll(number: number, held: Held, lease: Lease): Promise<void> {
    while (held.renewals > 0) {
      const { renewals, renewForMs } = held;
      await lease.renew(renewForMs);
      held.renewals -= renewals;
      for (let n = 0; n < renewals; n += 1) this.#tellLeased(number, lease);
    }
  }

  #release(number: number, why?: "gone"): void {
    const held = this.#held.get(number);
    if (!held) return;
    held.stop.abort(new LeaseError("refused", "it was given up"));
    held.lease?.release(why).catch((error: unknown) => this.#tellOver(number, error));
  }

  #tellLeased(number: number, { fence, expiresAt }: Lease): void {
    const leftMs = Math.max(0, expiresAt - Date.now());
    this.#end.send(Type.Leased, { lease: number, fence, leftMs });
  }

  #tellOver(number: number, error: unknown): void {
    if (!this.#held.delete(number)) return;
    const why = error instanceof LeaseError ? error.why : "refused";
    const text = error instanceof Error ? error.message : "something went wrong";
    this.#end.send(Type.LeaseOver, { lease: number, reason: REASONS[why] }, words(text));
  }
}

const REASONS: Readonly<Record<LeaseRefusal, LeaseReason>> = {
  over: LeaseReason.Over,
  taken: LeaseReason.Taken,
  unknown: LeaseReason.Unknown,
  "not-offered": LeaseReason.NotOffered,
  refused: LeaseReason.Refused,
};

const words = (text: string): Uint8Array => Buffer.from(text.slice(0, MAX_WORDS));
