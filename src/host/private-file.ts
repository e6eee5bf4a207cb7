import { lstat, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { explainFullDisk } from "./file-errors.ts";
import { type Person, thisPerson } from "./paths.ts";
import { type FileStart, readStart } from "./read-start.ts";
import { replaceFile } from "./replace-file.ts";

/** Longest of these files, bytes. */
const MAX_BYTES = 4 << 20;

/** Where cardwire keeps what outlives its processes. Makes nothing. */
export function statePath({ uid, env }: Person = thisPerson()): string {
  if (uid === 0) return "/var/lib/cardwire";
  const base = env["XDG_STATE_HOME"];
  // The XDG specification: a path that is not absolute is to be ignored.
  if (base !== undefined && isAbsolute(base)) return join(base, "cardwire");
  return join(env["HOME"] || homedir(), ".local/state/cardwire");
}

/**
 * Makes a directory for private keys, 0700, with those above it, or accepts it as it is: this user's own, closed to all
 * others.
 *
 * @throws {CardwireError} `E_STATE`, `E_DISK_FULL`
 */
export async function makePrivatePath(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await checkPrivatePath(path);
  } catch (cause) {
    throw explainStateError(cause, path, "made");
  }
}

/** @throws {CardwireError} `E_STATE` unless a directory is this user's own, and closed to all others. */
export async function checkPrivatePath(path: string): Promise<void> {
  const { uid, mode } = await lstat(path);
  if (uid !== process.getuid?.()) throw foreign(path, uid);
  if ((mode & 0o077) !== 0) throw open(path, mode, "700");
}

/**
 * The text of a file with secrets; undefined where there is none.
 *
 * @throws {CardwireError} `E_STATE` when it cannot be read, is somebody else's, or open to others.
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  let file: FileStart;
  try {
    file = await readStart(path, MAX_BYTES);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw explainStateError(cause, path, "read");
  }
  const { stats, bytes } = file;
  if (!stats.isFile() || stats.size > MAX_BYTES)
    throw new CardwireError("E_STATE", `${path} is not a file of cardwire's`);
  if (stats.uid !== process.getuid?.()) throw foreign(path, stats.uid);
  if ((stats.mode & 0o077) !== 0) throw open(path, stats.mode, "600");
  return bytes.toString("utf8");
}

/**
 * Writes a file that nobody else may read, in one step: the old one, or none, is there until the new one is whole.
 *
 * @throws {CardwireError} `E_STATE`, `E_DISK_FULL`
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await replaceFile(path, text).catch((cause: unknown) => {
    throw explainStateError(cause, path, "written");
  });
}

function foreign(path: string, uid: number): CardwireError {
  return new CardwireError("E_STATE", `${path} belongs to uid ${uid}`, {
    hint: "Run cardwire as that user.",
  });
}

function open(path: string, mode: number, wanted: string): CardwireError {
  const is = (mode & 0o777).toString(8);
  return new CardwireError("E_STATE", `${path} is open to others (mode 0${is})`, {
    hint: `There are secrets in it: chmod ${wanted} '${path}'`,
  });
}

/** Why a part of cardwire's state cannot be had, with what to do. Errors of ours stay as they are. */
export function explainStateError(
  cause: unknown,
  path: string,
  done: "made" | "read" | "written",
): CardwireError {
  if (CardwireError.is(cause)) return cause;
  const code = errorCode(cause);
  const full = explainFullDisk(cause, path);
  if (full) return full;
  const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
  return new CardwireError("E_STATE", `${path} cannot be ${done}: ${reason}`, {
    cause,
    hint: "XDG_STATE_HOME names another place; root's is /var/lib/cardwire.",
  });
}
