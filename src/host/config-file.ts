import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { type Person, thisPerson } from "./paths.ts";
import { type FileStart, readStart } from "./read-start.ts";

/** Longest settings file, bytes. */
export const MAX_CONFIG_BYTES = 256 * 1024;

/** Where the settings file is, if there is one: root's in /etc, a user's where the XDG base directory specification has it. */
export function configPath({ uid, env }: Person = thisPerson()): string {
  if (uid === 0) return "/etc/cardwire/config.toml";
  const base = env["XDG_CONFIG_HOME"];
  // The XDG specification: a path that is not absolute is to be ignored.
  const folder = base !== undefined && isAbsolute(base) ? base : join(homeOf(env), ".config");
  return join(folder, "cardwire", "config.toml");
}

/** The home directory as programs see it: HOME, or else what the system's list of users says. */
export const homeOf = (env: Person["env"]): string => env["HOME"] || homedir();

/** A settings file that could be read. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  /** What others could do with it, and the command against that. It names commands, so whoever changes it can run them. */
  readonly warning: string | undefined;
}

/**
 * Reads the settings file. Undefined when there is none.
 *
 * @throws {CardwireError} `E_CONFIG` when it cannot be read, is no regular file, not UTF-8, or too long.
 */
export async function readConfigFile(
  path: string,
  { uid }: Pick<Person, "uid"> = thisPerson(),
): Promise<ConfigFile | undefined> {
  let file: FileStart;
  try {
    file = await readStart(path, MAX_CONFIG_BYTES);
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw unreadable(path, `cannot be read: ${code}`, cause);
  }
  const { size, mode, uid: owner } = file.stats;
  if (!file.stats.isFile()) throw unreadable(path, "is not a file");
  if (size > MAX_CONFIG_BYTES) throw unreadable(path, `is longer than ${MAX_CONFIG_BYTES} bytes`);
  return {
    path,
    text: decode(path, file.bytes),
    warning: warningFor(path, { mode, isForeign: owner !== uid && owner !== 0 }),
  };
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes); // drops a byte order mark
  } catch (cause) {
    throw unreadable(path, "is not UTF-8", cause);
  }
}

function warningFor(
  path: string,
  { mode, isForeign }: { mode: number; isForeign: boolean },
): string | undefined {
  if (isForeign)
    return `${path} belongs to another user, who can have commands run as you: chown it`;
  if ((mode & 0o022) === 0) return undefined;
  return `others can write to ${path} and so have commands run as you: chmod go-w '${path}'`;
}

const unreadable = (path: string, why: string, cause?: unknown): CardwireError =>
  new CardwireError("E_CONFIG", `the settings file ${path} ${why}`, {
    cause,
    hint: "It wants to be a text file of your own. 'cardwire attach ssh://HOST' does without it.",
  });
