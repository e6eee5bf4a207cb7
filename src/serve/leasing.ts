import type { CardService } from "../domain/card-service.ts";
import { firstSignal } from "../domain/first-signal.ts";
import {
  type Lease,
  LeaseError,
  type LeasePlace,
  type LeaseWish,
  type Leasing,
  withRenewal,
} from "../domain/leasing.ts";
import type { Principal } from "../domain/principal.ts";
import type { Attendance } from "../services/arbiter/arbiter.ts";
import type { ArbiterEvent } from "../services/arbiter/events.ts";
import type { LeaseOptions } from "../services/arbiter/lease.ts";
import type { ServeOptions } from "./server.ts";

/** How long a lease may last unless it is renewed, ms: nobody who was forgotten has a card for longer than a day. */
const LASTS_MS = { least: 1_000, most: 86_400_000 };
/** How often it is looked who has his turn before, ms. */
const LOOK_MS = 250;
/** So long a card may be in use and still be free at once, ms: single commands are soon over. */
const AT_ONCE_MS = 500;

/** Of an arbiter: what is needed of it here. */
export interface LeasingArbiter extends Pick<CardService, "readers"> {
  attendance(reader: string): Attendance;
  lease(reader: string, wish: LeaseOptions, within: { signal: AbortSignal }): Promise<Lease>;
}

/** Leases of an arbiter's cards, to each identity of those readers that it sees. @param tell of those that are refused. */
export function arbitratedLeasing(
  arbiter: LeasingArbiter,
  tell: (event: ArbiterEvent) => void = () => {},
): NonNullable<ServeOptions["leasing"]> {
  /** Who waits for what: once each, or nobody could say where he stands. */
  const waiting = new Set<string>();
  const leasingOf = (principal: Principal, view: CardService): Leasing => ({
    async lease(reader, wish, within) {
      const { name } = principal;
      if (!isSeen(view, reader))
        throw new LeaseError("unknown", `there is no reader ${JSON.stringify(reader)}`);
      const key = JSON.stringify([name, reader]);
      if (waiting.has(key))
        throw new LeaseError("refused", `${name} waits for a lease of ${reader} already`);
      waiting.add(key);
      try {
        const lease = await leaseOf(arbiter, { principal, reader, wish }, within);
        return bounded(lease, { arbiter, view });
      } finally {
        waiting.delete(key);
      }
    },
  });
  return (principal, view) => {
    const inner = leasingOf(principal, view);
    return {
      lease: async (reader, wish, within) => {
        try {
          return await inner.lease(reader, wish, within);
        } catch (error) {
          const { name: identity } = principal;
          if (error instanceof LeaseError && !within.signal.aborted)
            // else it was given up
            tell({ type: "refused", what: "lease", reader, identity, why: error.message });
          throw error;
        }
      },
    };
  };
}

const withinBounds = (forMs: number): number =>
  Math.min(Math.max(forMs, LASTS_MS.least), LASTS_MS.most);

/** A lease that is never renewed for longer than one may last, and ends when its reader is not shown to its holder any more. */
function bounded(
  lease: Lease,
  { arbiter, view }: { readonly arbiter: LeasingArbiter; readonly view: CardService },
): Lease {
  const { reader, ended: signal } = lease;
  const check = async (): Promise<void> => {
    // One that was unplugged is not shown to anybody, and may come again.
    if (!isSeen(view, reader) && isSeen(arbiter, reader)) await lease.release("denied");
  };
  const follow = async (): Promise<void> => {
    for await (const _ of view.watch({ signal })) await check();
  };
  follow().catch(() => {}); // there are no readers any more
  return withRenewal(lease, async (forMs) => {
    await check();
    await lease.renew(withinBounds(forMs));
  });
}

const isSeen = ({ readers }: Pick<CardService, "readers">, reader: string): boolean =>
  readers.some(({ name }) => name === reader);

async function leaseOf(
  arbiter: LeasingArbiter,
  asked: { readonly principal: Principal; readonly reader: string; readonly wish: LeaseWish },
  { signal }: { signal: AbortSignal },
): Promise<Lease> {
  const { principal, reader, wish } = asked;
  const { name: identity } = principal;
  const forMs = withinBounds(wish.forMs);
  const refused = new AbortController();
  using either = firstSignal(signal, refused.signal);
  let told: LeasePlace | undefined;
  const look = (): void => {
    const place = placeOf(arbiter.attendance(reader), identity);
    if (!place || (place.ahead === told?.ahead && place.holder === told.holder)) return;
    told = place;
    if (wish.wait) wish.onPlace?.(place);
  };
  const refuse = (): void => {
    const { holder } = placeOf(arbiter.attendance(reader), identity) ?? {};
    const who = holder === undefined ? "others wait for it" : `${holder} has it`;
    refused.abort(new LeaseError("taken", `${reader} is not free: ${who}`));
  };
  const leasing = arbiter.lease(reader, { identity, forMs }, either);
  look();
  const looking = setInterval(look, LOOK_MS);
  const late = wish.wait ? undefined : setTimeout(refuse, AT_ONCE_MS);
  try {
    return await leasing;
  } finally {
    clearInterval(looking);
    clearTimeout(late);
  }
}

/** Where an identity stands that waits for a lease; undefined where it does not. */
function placeOf({ waiting, lease, holder }: Attendance, identity: string): LeasePlace | undefined {
  const ahead = waiting.findIndex((one) => one.what === "lease" && one.identity === identity);
  return ahead < 0 ? undefined : { ahead, holder: lease?.identity ?? holder };
}
