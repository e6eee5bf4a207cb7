import { randomBytes } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Makes a file that is not there yet, which nobody else may read; half of one is never left. @throws the system's error. */
export async function writeNewFile(path: string, text: string): Promise<void> {
  await writeNew(path, text);
  await syncDirectory(dirname(path));
}

/**
 * Puts a new text in place of the old one, in one step: after a crash, or without space left, the old one is there.
 * Nobody else may read it.
 *
 * @throws the system's error.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const next = nextName(path);
  try {
    await writeNew(next, text);
    await rename(next, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(next, { force: true }).catch(() => {}); // it is half a file, and nobody looks for it
    throw error;
  }
}

const nextName = (path: string): string => `${path}.${randomBytes(6).toString("hex")}.new`;
/** What {@link nextName} adds. */
const NEXT_ENDING = /^\.[0-9a-f]{12}\.new$/;
const NEXT_LENGTH = ".0123456789ab.new".length;

/**
 * A process that is killed while it replaces a file leaves the next text behind, private keys and all. Nobody else may
 * replace it meanwhile. Never throws.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const name = basename(path);
  await removeFrom(dirname(path), (other) => other.startsWith(name) && isNext(other, name.length));
}

/** The same of all files in a folder that is cardwire's own. Never throws. */
export async function removeLeftoversIn(folder: string): Promise<void> {
  await removeFrom(folder, (name) => isNext(name, -NEXT_LENGTH));
}

const isNext = (name: string, from: number): boolean => NEXT_ENDING.test(name.slice(from));

async function removeFrom(folder: string, isLeft: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch(() => []); // a folder may be open to who knows the names in it only
  for (const leftover of names.filter(isLeft))
    await rm(join(folder, leftover), { force: true }).catch(() => {}); // the file is good with it there, too
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await writeAll(file, text);
  } catch (error) {
    await rm(path, { force: true }).catch(() => {}); // what is thrown tells more
    throw error;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, text: string): Promise<void> {
  await file.writeFile(text);
  await file.sync();
}

/**
 * So that the new name is there after a power failure, too. The text under that name counts already: where the system
 * does not do it, as in a folder that may be written and not read, nothing is taken back.
 */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r").catch(() => undefined);
  await directory?.sync().catch(() => {});
  await directory?.close();
}
