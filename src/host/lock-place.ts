import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, rename, rm, rmdir } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { errorCode } from "./error-code.ts";
import { ASIDE, makeOwnedDirectory, sweepOwnedDirectories } from "./owned-directory.ts";
import { lookAtSocket } from "./socket-holder.ts";
import { withSocketPath } from "./socket-path.ts";

/** A lock that this process has. */
export interface Held {
  /** From now on it keeps the process from nothing. */
  unref(): void;
  /** Gives it back. Never rejects. */
  release(): Promise<void>;
}

/**
 * Takes the lock whose place is a directory, for as long as this process lives at most.
 *
 * Who has it listens at a socket in that directory. The socket is made in a directory beside it, which is then renamed:
 * that succeeds where there is none, and where there is an empty one, and so for one process only. A socket of a killed
 * process refuses; its name is its own, so whoever removes it removes no other.
 *
 * @returns undefined when another process has it.
 * @throws the system's error when it cannot be made.
 */
export async function takePlace(place: string): Promise<Held | undefined> {
  for (;;) {
    if (await isHeld(place)) return undefined;
    const held = await tryToTake(place);
    if (held) return held;
  }
}

/** Whether a living process has it. What killed ones left is removed. */
export async function isHeld(place: string): Promise<boolean> {
  const gone = (error: unknown): undefined => {
    if (errorCode(error) !== "ENOENT") throw error;
  };
  for (const name of (await readdir(place).catch(gone)) ?? []) {
    const found = await withSocketPath(place, name, lookAtSocket).catch(gone);
    if (found?.state === "live") return true;
    await rm(join(place, name), { recursive: true, force: true });
  }
  return false;
}

/** @returns undefined when another process was faster. */
async function tryToTake(place: string): Promise<Held | undefined> {
  const parent = dirname(place);
  await sweepOwnedDirectories(parent, ASIDE); // of one that was killed right here
  const aside = await makeOwnedDirectory(parent, ASIDE);
  const server = createServer((caller) => caller.destroy());
  const name = randomBytes(8).toString("hex");
  try {
    await withSocketPath(aside, name, async (path) => {
      server.listen(path);
      await once(server, "listening");
    });
    await rename(aside, place);
    return { unref: () => server.unref(), release: () => release(server, place, name) };
  } catch (error) {
    server.close();
    await rm(aside, { recursive: true, force: true });
    // The last is a process in another PID namespace, which took our directory for a dead one's.
    if (["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}

async function release(server: Server, place: string, name: string): Promise<void> {
  // The end of the server alone would do: what cannot be removed is stale then.
  await rm(join(place, name), { force: true }).catch(() => {});
  await rmdir(place).catch(() => {}); // the next one has it
  server.close();
  await once(server, "close");
}
