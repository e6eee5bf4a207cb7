import { type Deferred, deferred } from "../../domain/deferred.ts";
import { type Lease, LeaseError, type LeaseWish } from "../../domain/leasing.ts";
import type { LinkEnd } from "../../link/end.ts";
import { type Body, LeaseFlag, LeaseReason, Type } from "../../wire/link/frames.ts";

const WHY: Readonly<Record<number, LeaseError["why"]>> = {
  [LeaseReason.Over]: "over",
  [LeaseReason.Taken]: "taken",
  [LeaseReason.Unknown]: "unknown",
  [LeaseReason.NotOffered]: "not-offered",
};

/** The longest that a frame can say, ms. */
const MOST_MS = 0xffff_ffff;
const said = (ms: number): number => Math.min(Math.max(0, Math.round(ms)), MOST_MS);

/** One lease at the other end of a link, from the wish for it on. */
export class RemoteLease implements Lease {
  readonly reader: string;
  readonly #number: number;
  readonly #end: LinkEnd;
  readonly #onPlace: LeaseWish["onPlace"];
  readonly #granted = deferred();
  readonly #renewals: Deferred<void>[] = [];
  readonly #over = deferred();
  readonly #ended = new AbortController();
  #fence = 0;
  #expiresAt = 0;

  /** Use {@link RemoteLeases.lease}, which makes the wish. @param number by which both ends know it. */
  constructor(end: LinkEnd, number: number, reader: string, wish: LeaseWish) {
    this.#end = end;
    this.#number = number;
    this.reader = reader;
    this.#onPlace = wish.onPlace;
    this.#granted.promise.catch(() => {}); // whoever waits for it hears of it as well
    const flags = wish.wait ? LeaseFlag.Wait : 0;
    end.send(Type.Lease, { lease: number, flags, forMs: said(wish.forMs), reader });
  }

  get fence(): number {
    return this.#fence;
  }

  get expiresAt(): number {
    return this.#expiresAt;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Resolves when it is granted. @throws why it is not; the signal's reason: it is given up then. */
  async granted({ signal }: { signal: AbortSignal }): Promise<void> {
    const giveUp = () => {
      this.#sendRelease();
      this.#granted.reject(signal.reason);
    };
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await this.#granted.promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async renew(forMs: number): Promise<void> {
    this.#ended.signal.throwIfAborted();
    const renewal = deferred();
    this.#renewals.push(renewal);
    this.#end.send(Type.Renew, { lease: this.#number, forMs: said(forMs) });
    await renewal.promise;
  }

  async release(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#sendRelease();
    await this.#over.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** The other end granted or renewed it. */
  leased({ fence, leftMs }: Body<typeof Type.Leased>): void {
    this.#fence = fence;
    this.#expiresAt = Date.now() + leftMs;
    this.#granted.resolve();
    this.#renewals.shift()?.resolve();
  }

  /** It still waits. */
  waits({ ahead }: Body<typeof Type.Place>, holder: string): void {
    this.#onPlace?.({ ahead, holder: holder === "" ? undefined : holder });
  }

  /** There is none, or none any more. */
  isOver(reason: number, text: string): void {
    this.end(new LeaseError(WHY[reason] ?? "refused", text));
  }

  /** See {@link isOver}. */
  end(error: LeaseError): void {
    this.#granted.reject(error);
    for (const { reject } of this.#renewals.splice(0)) reject(error);
    this.#ended.abort(error);
    this.#over.resolve();
  }

  #sendRelease(): void {
    this.#end.send(Type.Release, { lease: this.#number });
  }
}
