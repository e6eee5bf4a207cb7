import { join } from "node:path";
import { checkPrivateDirectory, runtimePath, thisPerson, type Person } from "./paths.ts";

/** No attachment can have this name. */
const NAME = "_serve";

/** Run-time directories of a `cardwire serve` that is not this user's. Below /run only root gives names. */
const SYSTEM_RUNTIMES = ["/run/cardwire", "/run/cardwire-serve/cardwire"] as const;

/** Where a `cardwire serve` with this run-time directory waits for agents of this computer. */
export const serveSocket = (runtime: string): string => join(runtime, NAME);

/** Where one may wait that a user of this computer can trust, his own first. */
export async function serveSockets(
  person: Person = thisPerson(),
  system: readonly string[] = SYSTEM_RUNTIMES,
): Promise<readonly string[]> {
  const own = runtimePath(person);
  const isOwn = await checkPrivateDirectory(own, person.uid).then(
    () => true,
    () => false, // not there, or somebody else's, who may have put anything into it
  );
  return [...new Set([...(isOwn ? [own] : []), ...system])].map(serveSocket);
}
