import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { explainFullDisk } from "./file-errors.ts";
import { holdLock } from "./lock.ts";
import { type FileStart, readStart } from "./read-start.ts";
import { removeLeftovers, replaceFile, writeNewFile } from "./replace-file.ts";

const AS_ITS_USER = "Keys are used by the one whose they are. Run cardwire as that user.";

/** Longest card's file, bytes; one that is full of objects has some three million. */
const MAX_BYTES = 8 * 1024 * 1024;

/** A card's file, which no other cardwire has open as long as it is not disposed. */
export interface CardFile extends AsyncDisposable {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** What stood in it when it was opened. */
  readonly text: string;
  /**
   * Puts a new text in place of the old one, in one step: after a crash, or without space left, the old one is there.
   * One write at a time.
   *
   * @throws {CardwireError} `E_DISK_FULL`; `E_CARD_FILE` when it cannot be written for another reason.
   */
  write(text: string): Promise<void>;
}

/**
 * Makes a new file, which nobody else may read.
 *
 * @throws {CardwireError} `E_CARD_FILE_EXISTS`; `E_DISK_FULL`; `E_CARD_FILE`
 */
export async function createCardFile(path: string, text: string): Promise<void> {
  try {
    await writeNewFile(path, text);
  } catch (cause) {
    if (errorCode(cause) === "EEXIST")
      throw new CardwireError("E_CARD_FILE_EXISTS", `${path} is there already`, {
        cause,
        hint: "It may hold somebody's keys. Name another file, or remove it yourself.",
      });
    throw explain(cause, path, "made");
  }
}

/**
 * Opens a card's file.
 *
 * @throws {CardwireError} `E_CARD_IN_USE`; `E_CARD_FILE` when it is not there, not this user's, or open to others.
 */
export async function openCardFile(path: string): Promise<CardFile> {
  const real = await realpath(path).catch((cause: unknown) => {
    throw explain(cause, path, "read");
  });
  const lock = await holdLock(real);
  if (!lock)
    throw new CardwireError("E_CARD_IN_USE", `another cardwire runs the card ${path}`, {
      hint: "A card can be in one place only. End the other one first.",
    });
  try {
    const text = await read(real);
    await removeLeftovers(real);
    return { path: real, text, write: (next) => replace(real, next), ...lock };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

async function read(path: string): Promise<string> {
  let file: FileStart;
  try {
    file = await readStart(path, MAX_BYTES);
  } catch (cause) {
    throw explain(cause, path, "read");
  }
  const { stats, bytes } = file;
  if (!stats.isFile()) throw new CardwireError("E_CARD_FILE", `${path} is not a file`);
  if (stats.size > MAX_BYTES)
    throw new CardwireError("E_CARD_FILE", `${path} is too long for a card's file`);
  if (stats.uid !== process.getuid?.())
    throw new CardwireError("E_CARD_FILE", `${path} belongs to uid ${stats.uid}`, {
      hint: AS_ITS_USER,
    });
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8);
    throw new CardwireError("E_CARD_FILE", `${path} is open to others (mode 0${mode})`, {
      hint: `There are private keys in it: chmod 600 '${path}'`,
    });
  }
  return bytes.toString("utf8");
}

async function replace(path: string, text: string): Promise<void> {
  await replaceFile(path, text).catch((cause: unknown) => {
    throw explain(cause, path, "written");
  });
}

function explain(cause: unknown, path: string, done: "made" | "read" | "written"): CardwireError {
  const code = errorCode(cause);
  const folder = dirname(path);
  const full = explainFullDisk(cause, path);
  if (full) return full;
  if (code === "ENOENT" && done === "read")
    return new CardwireError("E_CARD_FILE", `there is no ${path}`, {
      cause,
      hint: "'cardwire card new piv --name NAME' makes a card.",
    });
  if (code === "ENOENT")
    return new CardwireError("E_CARD_FILE", `${path} cannot be ${done}: there is no ${folder}`, {
      cause,
    });
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    const hint =
      done === "read"
        ? AS_ITS_USER
        : `A new text is written beside the old one: the folder '${folder}' has to be writable.`;
    return new CardwireError("E_CARD_FILE", `${path} cannot be ${done}: ${code}`, { cause, hint });
  }
  const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
  return new CardwireError("E_CARD_FILE", `${path} cannot be ${done}: ${reason}`, { cause });
}
