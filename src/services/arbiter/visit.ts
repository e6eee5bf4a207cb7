import type { CardSession } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, Protocol, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { untilAborted } from "../../domain/until-aborted.ts";
import type { Desk } from "./desk.ts";
import type { Sharing } from "./grip.ts";

/** A card under pcscd's lock, as it is after a power-up. */
export interface VisitedCard {
  /** Sends one command APDU. @throws {ReturnCodeError} as SCardTransmit. */
  readonly transmit: (apdu: Uint8Array) => Promise<Uint8Array>;
}

/** As whom the card is visited where it is kept for nobody. No identity can have this name. */
const VISITOR = "(serve)";
const SHARED: Sharing = { share: ShareMode.Shared, protocols: Protocol.T0 | Protocol.T1 };

/**
 * Does something with a card that nobody uses, in a turn of its own and under pcscd's lock, and leaves the card reset.
 * Handles that have to be reconnected do not count, such as one of a card that was there before: what they had in the
 * card is gone, and a reconnect waits for its turn. When `signal` aborts, the card is left to pcscd, which resets it, and
 * the next one has his turn.
 *
 * @throws {ReturnCodeError} `SCARD_E_SHARING_VIOLATION` when somebody uses the card, or whatever keeps it from working.
 * @throws the signal's reason.
 */
export async function visit<T>(
  desk: Desk,
  job: (card: VisitedCard) => Promise<T>,
  { signal }: { readonly signal: AbortSignal },
): Promise<T> {
  const call = "SCardConnect";
  // Nobody is made to wait for a visit that cannot be.
  if (desk.isCrowded) throw inUse();
  await sessionsMustBeOut(desk, signal);
  const turn = await desk.take(desk.tenure?.identity ?? VISITOR, { call, signal });
  try {
    if (desk.isCrowded) throw inUse();
    desk.isVisited = true;
    try {
      await sessionsMustBeOut(desk, signal);
      return await stay(desk, job, { signal });
    } finally {
      desk.isVisited = false;
      desk.look(); // whoever has come since was taken for the visit
    }
  } finally {
    turn.give();
  }
}

const inUse = () => new ReturnCodeError("SCardConnect", Rv.SharingViolation);

async function sessionsMustBeOut({ sessions }: Desk, signal: AbortSignal): Promise<void> {
  for (const session of sessions)
    if (!(await untilAborted(() => session.isOut(), signal))) throw inUse();
}

async function stay<T>(
  desk: Desk,
  job: (card: VisitedCard) => Promise<T>,
  { signal }: { readonly signal: AbortSignal },
): Promise<T> {
  // pcscd tells late who has handles, but refuses exclusive access at once. Handles of ours that are out would be in its way.
  const isAlone = desk.sessions.size === 0;
  const how = isAlone ? { ...SHARED, share: ShareMode.Exclusive } : SHARED;
  const principal = { name: VISITOR };
  const { session } = await desk.connect({ ...how, principal }, { signal });
  const call = async (): Promise<T> => {
    const protocol = await powerUp(session, { desk, isAlone, signal });
    const pci = { send: protocol, receive: protocol };
    const done = await job({ transmit: async (apdu) => (await session.transmit(apdu, pci)).data });
    signal.throwIfAborted(); // what comes late counts for nothing
    await session.end(Disposition.Reset);
    return done;
  };
  try {
    const done = await untilAborted(call, signal);
    desk.wasReset(undefined, { wanted: false });
    await session.disconnect(Disposition.Leave);
    return done;
  } catch (error) {
    await session.abandon();
    desk.wasReset(undefined, { wanted: false }); // that is what pcscd does
    desk.isUncertain();
    throw error;
  }
}

/** Takes the lock, and sees to it that nothing is left in the card. @returns the protocol. */
async function powerUp(
  session: CardSession,
  about: { readonly desk: Desk; readonly isAlone: boolean; readonly signal: AbortSignal },
): Promise<number> {
  const { desk, isAlone, signal } = about;
  await session.begin({ signal });
  // Programs of the card host that come now wait for the lock; exclusive access would turn them away.
  const protocol = await session.reconnect(
    SHARED,
    desk.isUnused ? Disposition.Leave : Disposition.Reset,
  );
  // Whatever that left of the lock; the handle's end gives all of it back.
  if (isAlone) await session.begin({ signal });
  return protocol;
}
