import { unixCarrier } from "../carriers/unix.ts";
import { deferred } from "../domain/deferred.ts";
import { Holdings } from "../domain/holdings.ts";
import { ServedLink } from "../fronts/link/served-link.ts";
import { Hall } from "../link/hall.ts";
import { FEATURES } from "../link/versions.ts";
import { type PcscdService, pcscdService } from "../services/pcscd/service.ts";
import { openDoorway } from "./doorway.ts";
import type { KeepOrder, Kept } from "./order.ts";

/** How long it waits for the first session, ms: the one that asked for it has its address already. */
export const FIRST_SESSION_MS = 30_000;

/** How soon pcscd may rest when the other end let it, ms: that one has waited long enough. */
const REST_AFTER_MS = 1_000;

/** Owns the sessions of one attachment and their cards, whatever becomes of the line. */
export interface Keeper extends AsyncDisposable, Pick<Kept, "socket" | "lent"> {
  /** Resolves when nobody needs it any more: its last session has ended, or none came. */
  readonly unneeded: Promise<void>;
}

/**
 * Opens this computer's readers and listens for sessions in a directory that only this user can enter.
 *
 * @throws {CardwireError} why pcscd cannot be reached, or the directory not be made.
 */
export async function openKeeper(
  order: KeepOrder,
  { version, signal }: { version: string; signal: AbortSignal },
): Promise<Keeper> {
  const opened = new Holdings();
  try {
    const carrier = opened.hold(unixCarrier(order.pcscd, { place: order.place }));
    const { keepTrying } = order;
    const options = { ...order, restAfterMs: REST_AFTER_MS };
    const service = opened.hold(await pcscdService(carrier, options, { signal, keepTrying }));
    const unneeded = deferred();
    const first = setTimeout(unneeded.resolve, FIRST_SESSION_MS);
    opened.hold({ [Symbol.asyncDispose]: async () => clearTimeout(first) });
    const came = () => clearTimeout(first);
    const hall = opened.hold(openHall(order, service, { version, came, left: unneeded.resolve }));
    const { socket } = opened.hold(await openDoorway((stream) => hall.accept(stream)));
    const close = () => opened[Symbol.asyncDispose]();
    return { socket, unneeded: unneeded.promise, [Symbol.asyncDispose]: close };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function openHall(
  { secret, graceMs, lockMs }: KeepOrder,
  service: PcscdService,
  { version, came, left }: { version: string; came: () => void; left: () => void },
): Hall {
  const hall: Hall = new Hall({
    secret: Buffer.from(secret, "hex"),
    most: { graceMs, lockMs },
    features: FEATURES,
    about: () => `cardwire ${version}, pcscd protocol 4:${service.traits?.minor ?? "?"}`,
    serve: (end, { client }) => {
      came();
      return new ServedLink(service, end, { name: client });
    },
    left: () => {
      if (hall.size === 0) left();
    },
  });
  return hall;
}
