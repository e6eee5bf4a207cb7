import { lstat, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { attachmentRecords } from "./attachments.ts";
import { ASIDE, ownedDirectories } from "./owned-directory.ts";
import { type Person, thisPerson } from "./paths.ts";
import { lookAtSocket } from "./socket-holder.ts";
import { SYSTEM_SOCKET } from "./system-socket.ts";

/** A path that cardwire makes on the computer on which it runs. */
export interface Footprint {
  /**
   * With the variables of the XDG base directory specification, `UID` and `*`. What begins with `SOCKET` depends on
   * where sockets were asked for; records of attachments tell.
   */
  readonly path: string;
  /** Whose cardwire makes it. */
  readonly of: "root" | "users" | "all";
  readonly what: string;
  /** When it goes by itself. */
  readonly until: string;
}

/** Every path that cardwire makes. `cardwire uninstall` removes these, and docs/uninstall.md lists them. */
export const footprint: readonly Footprint[] = [
  {
    path: "/run/cardwire",
    of: "root",
    what: "sockets and records of attachments, ssh's sockets",
    until: "the next boot; what is in it, the end of each command",
  },
  {
    path: "$XDG_RUNTIME_DIR/cardwire",
    of: "users",
    what: "the same",
    until: "the last logout; what is in it, the end of each command",
  },
  {
    path: "/tmp/cardwire-UID",
    of: "users",
    what: "the same, where there is no XDG_RUNTIME_DIR",
    until: "the next boot; what is in it, the end of each command",
  },
  {
    path: "/tmp/cardwire-share-UID-*",
    of: "users",
    what: "the socket of another computer's share that others here may use",
    until: "the end of that share",
  },
  {
    path: "/run/cardwire-*",
    of: "root",
    what: "the same, of a service with --as",
    until: "the service stops",
  },
  {
    path: "$TMPDIR/cardwire-ssh-*",
    of: "all",
    what: "ssh's sockets, where the paths above are too long for them",
    until: "the end of the command",
  },
  {
    path: "$TMPDIR/cardwire-doctor-*",
    of: "all",
    what: "ssh's sockets of cardwire doctor",
    until: "the end of the command",
  },
  {
    path: "SOCKET",
    of: "all",
    what: "the socket itself, where --socket or --system put it",
    until: "the end of the command",
  },
  {
    path: "SOCKET/../.cardwire-*",
    of: "all",
    what: "the socket while it is being made",
    until: "the socket is there",
  },
  {
    path: "/run/pcscd",
    of: "root",
    what: "the directory of the socket of --system, if there was none",
    until: "the end of the command",
  },
  {
    path: "/etc/systemd/system/cardwire-*.service",
    of: "root",
    what: "services of the system, with their .d and the link in multi-user.target.wants",
    until: "cardwire service remove",
  },
  {
    path: "$XDG_CONFIG_HOME/systemd/user/cardwire-*.service",
    of: "all",
    what: "services of a user, with their .d and the link in default.target.wants",
    until: "cardwire service remove --user",
  },
  { path: "/etc/cardwire", of: "root", what: "settings", until: "you remove them" },
  { path: "$XDG_CONFIG_HOME/cardwire", of: "users", what: "settings", until: "you remove them" },
  { path: "/var/lib/cardwire", of: "root", what: "state", until: "you remove it" },
  { path: "$XDG_STATE_HOME/cardwire", of: "users", what: "state", until: "you remove it" },
];

/** Something of cardwire's that is there. */
export interface Trace {
  readonly path: string;
  readonly what: string;
  /** How it may be removed: whatever it holds, only while nobody listens, or only if it is empty by then. */
  readonly remove: "tree" | "stale socket" | "empty directory";
}

/** Something that runs and uses such a path. */
export interface Use {
  /** The attachment's name, or the command's. */
  readonly name: string;
  readonly pid: number | undefined;
}

/** What is there of the table's paths, in the order in which it is to be removed. Units are systemd's: see units.ts. */
export async function traces(person: Person = thisPerson()): Promise<readonly Trace[]> {
  const found = [...(await staleSockets(person))];
  for (const { path: pattern, of, what } of footprint) {
    if (!concerns(of, person) || isElsewhere(pattern)) continue;
    for (const path of await expand(pattern, person)) found.push({ path, what, remove: "tree" });
  }
  return found;
}

/** Who is using such a path. */
export async function uses(person: Person = thisPerson()): Promise<readonly Use[]> {
  const found: Use[] = [];
  for (const runtime of await runtimes(person)) {
    for (const { record, inUse } of await attachmentRecords(runtime))
      if (inUse) found.push({ name: record.name, pid: record.pid });
    for (const { prefix, owner, inUse } of await ownedDirectories(runtime))
      if (inUse) found.push({ name: prefix, pid: owner.pid });
    for (const name of await readdir(runtime).catch(() => [])) // not there
      found.push(...(await lentHere(join(runtime, name))));
  }
  for (const directory of await expand("/tmp/cardwire-share-UID-*", person))
    found.push(...(await lentHere(directory)));
  return found;
}

/** Whether a `cardwire share` of another computer has its socket in a directory, told by the file beside it. */
async function lentHere(directory: string): Promise<readonly Use[]> {
  const socket = join(directory, "pcscd.comm");
  if ((await lstat(`${socket}.owner`).catch(() => undefined)) === undefined) return []; // none of a share's
  const place = await lookAtSocket(socket);
  if (place.state !== "live") return [];
  return [{ name: `${basename(directory)}, a share of another computer`, pid: place.holder?.pid }];
}

const concerns = (of: Footprint["of"], { uid }: Person): boolean =>
  of === "all" || (of === "root") === (uid === 0);

const SYSTEM_DIRECTORY = dirname(SYSTEM_SOCKET);

/** Whether records or systemd tell about it, and not its name alone. */
const isElsewhere = (pattern: string): boolean =>
  pattern.startsWith("SOCKET") || pattern.endsWith(".service") || pattern === SYSTEM_DIRECTORY;

/** Where run-time files may be: several places, since the environment differs from login to login. */
async function runtimes(person: Person): Promise<readonly string[]> {
  const patterns =
    person.uid === 0
      ? ["/run/cardwire", "/run/cardwire-*"]
      : ["$XDG_RUNTIME_DIR/cardwire", "/tmp/cardwire-UID"];
  const found = (await Promise.all(patterns.map((one) => expand(one, person)))).flat();
  // The directory of a service is its user's XDG_RUNTIME_DIR.
  return found.map((path) => (path.startsWith("/run/cardwire-") ? join(path, "cardwire") : path));
}

/** Sockets of killed attachments outside of the run-time directories, and what was left beside them. */
async function staleSockets(person: Person): Promise<readonly Trace[]> {
  const found: Trace[] = [];
  for (const runtime of await runtimes(person)) {
    for (const { record, inUse } of await attachmentRecords(runtime)) {
      const { socket } = record;
      if (inUse || socket.startsWith(`${runtime}/`)) continue;
      const beside = await leftBeside(socket);
      found.push(...beside);
      if (socket === SYSTEM_SOCKET && (await holdsOnly(SYSTEM_DIRECTORY, beside)))
        found.push({ path: SYSTEM_DIRECTORY, what: "its directory", remove: "empty directory" });
    }
  }
  return found;
}

/** What a killed attachment left of its socket and beside it. */
async function leftBeside(socket: string): Promise<readonly Trace[]> {
  const { state } = await lookAtSocket(socket);
  const aside = await ownedDirectories(dirname(socket), ASIDE);
  const making = aside.filter(({ inUse }) => !inUse);
  return [
    ...(state === "stale"
      ? [{ path: socket, what: "a killed attachment's socket", remove: "stale socket" } as const]
      : []),
    ...making.map(
      ({ path }) => ({ path, what: "a socket that was being made", remove: "tree" }) as const,
    ),
  ];
}

/** Whether a directory is there and holds nothing but these. */
async function holdsOnly(directory: string, these: readonly Trace[]): Promise<boolean> {
  const names = await readdir(directory).catch(() => undefined); // not there
  const ours = new Set(these.map(({ path }) => path));
  return names?.every((name) => ours.has(join(directory, name))) ?? false;
}

/** The paths that fit a pattern, and are this person's where others have theirs beside. */
async function expand(pattern: string, person: Person): Promise<readonly string[]> {
  const plain = replaceVariables(pattern, person);
  if (plain === undefined) return [];
  const parent = dirname(plain);
  const [before = "", after] = basename(plain).split("*");
  const names = after === undefined ? [before] : await readdir(parent).catch(() => []); // not there
  const found: string[] = [];
  for (const name of names) {
    if (after !== undefined && !(name.startsWith(before) && name.endsWith(after))) continue;
    const path = join(parent, name);
    const owner = await lstat(path).catch(() => undefined); // not there
    // What is root's to remove in /run is the users' of services.
    if (owner !== undefined && (owner.uid === person.uid || parent === "/run")) found.push(path);
  }
  return found;
}

/** Undefined where the variable has no value. */
function replaceVariables(pattern: string, { uid, env }: Person): string | undefined {
  const home = env["HOME"] || homedir();
  const defaults: Readonly<Record<string, string | undefined>> = {
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_STATE_HOME: join(home, ".local/state"),
    TMPDIR: "/tmp",
  };
  const [, name = "", rest = ""] = /^\$(\w+)(.*)$/.exec(pattern) ?? [];
  if (name === "") return pattern.replace("UID", String(uid));
  const value = env[name];
  const base = value !== undefined && isAbsolute(value) ? value : defaults[name];
  return base === undefined ? undefined : `${base}${rest}`;
}
