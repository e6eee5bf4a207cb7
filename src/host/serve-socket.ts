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
  // A login may lack the variable that names the second, which the one has in which serve was started.
  const own = [...new Set([runtimePath(person), `/run/user/${person.uid}/cardwire`])];
  const trusted: string[] = [];
  // Not there, or somebody else's, who may have put anything into it: not for us.
  for (const path of own) if (await isOwn(path, person.uid)) trusted.push(path);
  return [...new Set([...trusted, ...system])].map(serveSocket);
}

const isOwn = (path: string, uid: number): Promise<boolean> =>
  checkPrivateDirectory(path, uid).then(
    () => true,
    () => false,
  );
