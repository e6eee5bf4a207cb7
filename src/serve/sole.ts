import { dirname } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { dial } from "../host/dial.ts";
import { holdLock } from "../host/lock.ts";
import { ownedDirectories } from "../host/owned-directory.ts";
import { knownPlace } from "./place.ts";
import type { Store } from "./store.ts";

/** How long another serve may take to accept, ms. One that is stopped accepts as well: the kernel does. */
const ACCEPT_MS = 2_000;

/**
 * Makes sure that no other serve has the same state, until it is disposed: two would have two minds about who has a card.
 * What a killed one left does not count.
 *
 * @throws {CardwireError} `E_SERVE_RUNS`
 */
export async function aloneWith(store: Store): Promise<AsyncDisposable> {
  const lock = await holdLock(store.file("serving"));
  const { control } = await knownPlace(store);
  // Where no lock can be a file, one of another network namespace is known by this alone.
  if (lock && !(control !== undefined && (await isAlive(control)))) return lock;
  await lock?.[Symbol.asyncDispose]();
  const pid = control === undefined ? undefined : await ownerOf(control);
  const which = pid === undefined ? "" : ` (process ${pid})`;
  throw new CardwireError("E_SERVE_RUNS", `serve runs already${which}, with the same state`, {
    hint: "'cardwire status' shows how it is. A second one needs another place for its state: XDG_STATE_HOME names one (root has but one, /var/lib/cardwire).",
  });
}

async function isAlive(control: string): Promise<boolean> {
  try {
    (await dial(control, { signal: AbortSignal.timeout(ACCEPT_MS) })).destroy();
    return true;
  } catch {
    return false; // killed, or ended
  }
}

/** Whose run-time directory a control socket is in. */
async function ownerOf(control: string): Promise<number | undefined> {
  const place = dirname(control);
  const all = await ownedDirectories(dirname(place));
  return all.find(({ path, inUse }) => path === place && inUse)?.owner.pid;
}
