import { chmod, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { giveToGroup, groupId } from "./group.ts";

/** Bits of a file mode. Connecting to a socket takes the right to write, passing a directory the right to execute. */
const GROUP = { write: 0o020, execute: 0o010 };
const OTHERS = { write: 0o002, execute: 0o001 };

/**
 * Lets those enter a directory of ours whom a socket in it will admit. Listing and changing it stay ours.
 *
 * @throws {CardwireError} `E_GROUP` no such group, or not one of ours.
 */
export async function letIn(
  directory: string,
  { mode, group }: { mode: number; group?: string | undefined },
): Promise<void> {
  const admitsOthers = (mode & OTHERS.write) !== 0;
  const admitsGroup = (mode & GROUP.write) !== 0 && group !== undefined;
  if (admitsGroup) await giveToGroup(directory, await groupId(group), group);
  await chmod(
    directory,
    // Whoever is in the directory's group is asked for that group's rights alone, and is one of the others as well.
    0o700 | (admitsGroup || admitsOthers ? GROUP.execute : 0) | (admitsOthers ? OTHERS.execute : 0),
  );
}

/**
 * Looks for a directory on the way to a socket that those whom the socket admits cannot pass. Access control lists and
 * root's privileges are not looked at.
 *
 * @returns the uppermost of them, or undefined when there is none.
 */
export async function closedDoor(socket: string): Promise<string | undefined> {
  const { mode, gid } = await stat(socket);
  const wanted = [
    ...((mode & GROUP.write) === 0 ? [] : [gid]),
    ...((mode & OTHERS.write) === 0 ? [] : [undefined]), // of no group that could help
  ];
  for (const directory of ancestors(await realpath(dirname(socket)))) {
    const door = await stat(directory);
    const passes = (group: number | undefined) =>
      (door.mode & (door.gid === group ? GROUP.execute : OTHERS.execute)) !== 0;
    if (!wanted.every(passes)) return directory;
  }
  return undefined;
}

/** A directory and those above it, the root first. */
function ancestors(directory: string): readonly string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [...ancestors(parent), directory];
}
