import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isRunning, type ProcessIdentity, thisProcess } from "./process-identity.ts";

/** Prefix of the directories in which a socket is made, beside its place. */
export const ASIDE = ".cardwire";

/**
 * Makes a fresh directory, 0700, whose name says which process it belongs to: `PREFIX-PID.STARTTIME-RANDOM`, both
 * numbers in base 36 because socket paths are short.
 */
export async function makeOwnedDirectory(parent: string, prefix: string): Promise<string> {
  const { pid, startTime } = await thisProcess();
  return mkdtemp(join(parent, `${prefix}-${pid.toString(36)}.${startTime.toString(36)}-`));
}

/** A directory that `makeOwnedDirectory` made. */
export interface OwnedDirectory {
  readonly path: string;
  readonly prefix: string;
  readonly owner: ProcessIdentity;
  /** Whether its process lives. Those of another PID namespace count as dead. */
  readonly inUse: boolean;
}

/** What `makeOwnedDirectory` made in `parent`, with one prefix or with any. Never throws. */
export async function ownedDirectories(
  parent: string,
  prefix?: string,
): Promise<readonly OwnedDirectory[]> {
  const found: OwnedDirectory[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const parsed = parse(name);
    if (parsed === undefined || (prefix !== undefined && parsed.prefix !== prefix)) continue;
    found.push({ path: join(parent, name), ...parsed, inUse: await isRunning(parsed.owner) });
  }
  return found;
}

/** Removes what dead processes left behind of `makeOwnedDirectory`, of this user, and nothing else. Never throws. */
export async function sweepOwnedDirectories(parent: string, prefix: string): Promise<void> {
  for (const { path, inUse } of await ownedDirectories(parent, prefix)) {
    if (inUse || !(await isOurs(path))) continue;
    await rm(path, { recursive: true, force: true }).catch(() => {}); // somebody else did at the same time
  }
}

/** Whether it is a directory of this user. In a shared parent anybody may give a name, and root may remove anything. */
async function isOurs(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isDirectory() === true && stats.uid === process.getuid?.();
}

function parse(name: string): Pick<OwnedDirectory, "prefix" | "owner"> | undefined {
  const found = /^(.+)-([0-9a-z]+)\.([0-9a-z]+)-[A-Za-z0-9]{6}$/.exec(name);
  if (found === null) return undefined;
  const [, prefix = "", pid = "", startTime = ""] = found;
  const owner = { pid: Number.parseInt(pid, 36), startTime: Number.parseInt(startTime, 36) };
  return { prefix, owner };
}
