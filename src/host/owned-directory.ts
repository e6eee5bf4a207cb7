import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isRunning, thisProcess } from "./process-identity.ts";

/**
 * Makes a fresh directory, 0700, whose name says which process it belongs to: `PREFIX-PID.STARTTIME-RANDOM`, both
 * numbers in base 36 because socket paths are short.
 */
export async function makeOwnedDirectory(parent: string, prefix: string): Promise<string> {
  const { pid, startTime } = await thisProcess();
  return mkdtemp(join(parent, `${prefix}-${pid.toString(36)}.${startTime.toString(36)}-`));
}

/**
 * Removes what dead processes left behind of `makeOwnedDirectory`, of this user, and nothing else. Never throws.
 * Processes of another PID namespace count as dead.
 */
export async function sweepOwnedDirectories(parent: string, prefix: string): Promise<void> {
  for (const path of await abandonedDirectories(parent, prefix)) {
    // Another user's, in a shared parent: the system refuses, and it is not ours to remove.
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** What dead processes left behind of `makeOwnedDirectory`: paths. Never throws. */
export async function abandonedDirectories(
  parent: string,
  prefix: string,
): Promise<readonly string[]> {
  const abandoned: string[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const owner = ownerOf(name, prefix);
    if (owner !== undefined && !(await isRunning(owner))) abandoned.push(join(parent, name));
  }
  return abandoned;
}

function ownerOf(name: string, prefix: string): { pid: number; startTime: number } | undefined {
  const found = /^-([0-9a-z]+)\.([0-9a-z]+)-[A-Za-z0-9]{6}$/.exec(name.slice(prefix.length));
  if (!name.startsWith(prefix) || found === null) return undefined;
  const [, pid = "", startTime = ""] = found;
  return { pid: Number.parseInt(pid, 36), startTime: Number.parseInt(startTime, 36) };
}
