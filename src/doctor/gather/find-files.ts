import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Most directories that are looked into: a person waits. */
const MAX_DIRECTORIES = 4_000;

/** How long a search may take, ms. */
const MAX_MS = 2_500;

/** Files below `places` by their name, as deep as `depth`. Links to directories are not followed. Never throws. */
export async function findFiles(
  places: readonly string[],
  { name, depth, signal }: { name: RegExp; depth: number; signal: AbortSignal },
): Promise<readonly string[]> {
  const found: string[] = [];
  const until = performance.now() + MAX_MS;
  let directories: readonly string[] = places;
  let looked = 0;
  for (let level = 0; level <= depth && directories.length > 0; level += 1) {
    const next: string[] = [];
    for (const directory of directories) {
      looked += 1;
      if (looked > MAX_DIRECTORIES || performance.now() > until || signal.aborted) return found;
      for (const entry of await list(directory)) {
        if (entry.isDirectory()) next.push(join(directory, entry.name));
        else if (name.test(entry.name)) found.push(join(directory, entry.name));
      }
    }
    directories = next;
  }
  return found;
}

const list = (directory: string): Promise<readonly Dirent[]> =>
  readdir(directory, { withFileTypes: true }).catch(() => []); // not there, or not for us
