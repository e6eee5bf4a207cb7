import { readdir } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { globMatcher } from "../domain/glob.ts";
import { readStart } from "./read-start.ts";
import { parseKnownHosts, parseSshConfig } from "./ssh-config.ts";

/** ssh's own limit for files that include one another (ssh_config(5): up to 16). */
const MAX_DEPTH = 16;
/** Files that are read at most, since somebody waits for the answer with a finger on the key. */
const MAX_FILES = 64;
/** What is read of each, bytes. */
const MAX_BYTES = 1024 * 1024;

/** Where ssh looks for what it knows. */
export interface SshPlaces {
  /** The file of `-F`, in place of the user's and the system's own. */
  readonly config?: string | undefined;
  /** The user's home directory. ssh takes it from the system's list of users, not from HOME. */
  readonly home?: string;
  /** Of the system's own files. */
  readonly system?: string;
}

/** Names of hosts that ssh knows, each once: those of its configuration first, then those whose keys it has. Never throws. */
export async function sshHosts({
  config,
  home = userInfo().homedir,
  system = "/etc/ssh",
}: SshPlaces = {}): Promise<readonly string[]> {
  const user = join(home, ".ssh");
  const found = { hosts: new Set<string>(), knownHosts: new Set<string>() };
  const seen = new Set<string>();

  const read = async (path: string, base: string, depth: number): Promise<void> => {
    if (seen.has(path) || seen.size >= MAX_FILES || depth > MAX_DEPTH) return;
    seen.add(path);
    const { hosts, includes, knownHosts } = parseSshConfig(await textOf(path));
    for (const host of hosts) found.hosts.add(host);
    for (const file of knownHosts) found.knownHosts.add(absolute(file, { home, base }));
    for (const pattern of includes)
      for (const file of await matching(absolute(pattern, { home, base })))
        await read(file, base, depth + 1);
  };
  if (config !== undefined) await read(config, user, 0);
  else {
    await read(join(user, "config"), user, 0);
    await read(join(system, "ssh_config"), system, 0);
  }
  const standard = [join(user, "known_hosts"), join(system, "ssh_known_hosts")];
  const files = [...standard, ...found.knownHosts].slice(0, MAX_FILES);
  const known = await Promise.all(files.map(async (path) => parseKnownHosts(await textOf(path))));
  return [...new Set([...found.hosts, ...known.flat()])];
}

/** Empty for what cannot be read. */
async function textOf(path: string): Promise<string> {
  try {
    return Buffer.from((await readStart(path, MAX_BYTES)).bytes).toString("utf8");
  } catch {
    return ""; // not there, or not ours to read: it has nothing to tell
  }
}

function absolute(path: string, { home, base }: { home: string; base: string }): string {
  if (path.startsWith("~/")) return join(home, path.slice(2));
  return isAbsolute(path) ? path : join(base, path);
}

/** The files that a pattern means, in the order of their names; folders may be patterns, too. */
async function matching(pattern: string): Promise<readonly string[]> {
  if (!/[*?[]/.test(pattern)) return [pattern];
  const folders = await matching(dirname(pattern));
  const matches = globMatcher(pattern.slice(dirname(pattern).length).replace(/^\//, ""));
  const files = await Promise.all(
    folders.slice(0, MAX_FILES).map(async (folder) => {
      const names = await readdir(folder).catch(() => []); // no folder: nothing in it
      return names
        .filter((name) => !name.startsWith(".") && matches(name))
        .map((name) => join(folder, name));
    }),
  );
  return files
    .flat()
    .toSorted((a, b) => (a < b ? -1 : 1))
    .slice(0, MAX_FILES);
}
