import { lstat, mkdir } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { explainFileError } from "./file-errors.ts";
import { checkSocketPath } from "./socket-path.ts";

/** Whose paths are asked for. The process' own unless a test says otherwise. */
export interface Person {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function thisPerson(): Person {
  return { uid: process.getuid?.() ?? 0, env: process.env };
}

/** Where run-time files live: sockets and the records of running attachments. Makes nothing. */
export function runtimePath({ uid, env }: Person = thisPerson()): string {
  if (uid === 0) return "/run/cardwire";
  const base = env["XDG_RUNTIME_DIR"];
  // The XDG specification: a path that is not absolute is to be ignored.
  return base !== undefined && isAbsolute(base) ? join(base, "cardwire") : `/tmp/cardwire-${uid}`;
}

/**
 * The directory of `runtimePath`, made with mode 0700 when it is not there.
 *
 * @throws {CardwireError} `E_RUNTIME_DIR` when it cannot be made, is a symbolic link, or somebody else could write to it.
 */
export async function runtimeDirectory(person: Person = thisPerson()): Promise<string> {
  const path = runtimePath(person);
  await makePrivateDirectory(path, person.uid);
  return path;
}

/**
 * Makes `path` with mode 0700, or accepts it as it is: a directory of `uid` itself that nobody else may write to, and
 * under /tmp not even look into.
 *
 * @throws {CardwireError} `E_RUNTIME_DIR`
 */
export async function makePrivateDirectory(path: string, uid: number): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (cause) {
    if (["ENOSPC", "EDQUOT"].includes(errorCode(cause) ?? ""))
      throw explainFileError(cause, `the run-time directory ${path}`, dirname(path));
    if (errorCode(cause) === "ENOENT")
      throw unusable(path, `cannot be made, for there is no ${dirname(path)}`);
    if (errorCode(cause) !== "EEXIST") throw unusable(path, "cannot be made", cause);
  }
  await checkPrivateDirectory(path, uid).catch((cause: unknown) => {
    throw CardwireError.is(cause) ? cause : unusable(path, "cannot be looked at", cause);
  });
}

/**
 * Looks, without making anything, whether `path` would do for `makePrivateDirectory`.
 *
 * @throws {CardwireError} `E_RUNTIME_DIR`; the system's own error when it cannot be looked at, such as `ENOENT`.
 */
export async function checkPrivateDirectory(path: string, uid: number): Promise<void> {
  const found = await lstat(path);
  if (!found.isDirectory()) throw unusable(path, "is not a directory");
  if (found.uid !== uid) throw unusable(path, `belongs to uid ${found.uid}`);
  const forbidden = path.startsWith("/tmp/") ? 0o077 : 0o022;
  if ((found.mode & forbidden) !== 0) {
    const mode = (found.mode & 0o777).toString(8);
    throw unusable(path, `is open to others (mode 0${mode})`);
  }
}

function unusable(path: string, why: string, cause?: unknown): CardwireError {
  const reason = cause instanceof Error ? `: ${errorCode(cause) ?? cause.message}` : "";
  return new CardwireError("E_RUNTIME_DIR", `the run-time directory ${path} ${why}${reason}`, {
    cause,
    hint: "Set XDG_RUNTIME_DIR to a directory of your own (mode 0700), or remove what is in the way.",
  });
}

/** Longest name of an attachment, in characters. It becomes a part of a socket path, of which there are 107 bytes. */
export const MAX_NAME_LENGTH = 64;

/**
 * @throws {CardwireError} `E_NAME` when `name` could not be a file name that is safe in a shell.
 */
export function checkAttachmentName(name: string): void {
  if (name.length <= MAX_NAME_LENGTH && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return;
  throw new CardwireError("E_NAME", `${JSON.stringify(name)} cannot be the name of an attachment`, {
    hint: `Use letters, digits, '.', '_' and '-', a letter or digit first, ${MAX_NAME_LENGTH} at most.`,
  });
}

/** The attachment's own directory below the run-time directory. */
export function attachmentDirectory(runtime: string, name: string): string {
  checkAttachmentName(name);
  return join(runtime, name);
}

/**
 * The socket that an attachment has when nobody chose one.
 *
 * @throws {CardwireError} `E_SOCKET_PATH` when that is too long.
 */
export function attachmentSocket(runtime: string, name: string): string {
  const path = join(attachmentDirectory(runtime, name), "pcscd.comm");
  checkSocketPath(path);
  return path;
}
