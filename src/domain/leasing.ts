import type { CardService } from "./card-service.ts";
import { CardwireError, type ErrorDetails } from "./errors.ts";

/**
 * Why there is no lease. - `over`: it was granted, and is over. - `taken`: the card is not free, and it was not to
 * wait. - `unknown`: there is no such reader. - `not-offered`: nobody gives leases there. - `refused`: as the message says.
 */
export type LeaseRefusal = "over" | "taken" | "unknown" | "not-offered" | "refused";

/** There is no lease, or none any more: `E_LEASE`. */
export class LeaseError extends CardwireError {
  readonly why: LeaseRefusal;

  constructor(why: LeaseRefusal, message: string, details?: ErrorDetails) {
    super("E_LEASE", message, details);
    this.why = why;
  }
}

/** Exclusive use of one reader's card for one identity, for a time. Disposing it ends it. */
export interface Lease extends AsyncDisposable {
  readonly reader: string;
  /** Higher than that of every lease before it on the same reader. */
  readonly fence: number;
  /** When it ends unless it is renewed, as Date.now() counts here. */
  readonly expiresAt: number;
  /** Aborts when the lease is over, for whatever reason, which is the signal's. */
  readonly ended: AbortSignal;
  /** Lasts so long from now on, ms. @throws {LeaseError} when it is over already. */
  renew(forMs: number): void | Promise<void>;
  /**
   * Ends it. Resolves when nothing that is sent from then on runs under it.
   *
   * @param why where its holder did not give it back himself, for the record: he is gone, or may not have it any more.
   */
  release(why?: "gone" | "denied"): Promise<void>;
}

/** Where somebody who waits for a lease stands. */
export interface LeasePlace {
  /** How many have their turn before him, whoever has the card now not counted. */
  readonly ahead: number;
  /** Who has the card; undefined where that is not known. */
  readonly holder: string | undefined;
}

export interface LeaseWish {
  /** How long it is to last unless it is renewed, ms. The card host may grant less. */
  readonly forMs: number;
  /** Waits for its turn; else it is refused where the card is not free at once. */
  readonly wait: boolean;
  /** Is told where it stands when it begins to wait, and whenever that changes. */
  readonly onPlace?: ((place: LeasePlace) => void) | undefined;
}

/** Something that gives leases, to whoever it belongs to. */
export interface Leasing {
  /**
   * @param reader its whole name.
   * @throws {LeaseError} why there is none.
   * @throws the signal's reason when it aborts; nothing is leased then.
   */
  lease(reader: string, wish: LeaseWish, options: { signal: AbortSignal }): Promise<Lease>;
}

/** Whether a service gives leases as well. */
export const isLeasing = (service: CardService): service is CardService & Leasing =>
  "lease" in service && typeof service.lease === "function";

/** `lease`, renewed by `renew`. */
export const withRenewal = (lease: Lease, renew: Lease["renew"]): Lease => ({
  reader: lease.reader,
  fence: lease.fence,
  ended: lease.ended,
  get expiresAt() {
    return lease.expiresAt;
  },
  renew,
  release: (why) => lease.release(why),
  [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
});
