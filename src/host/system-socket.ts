import { access, chmod, chown, constants, mkdir, rmdir, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { explainFileError } from "./file-errors.ts";
import { byHolder, lookAtSocket, type SocketHolder } from "./socket-holder.ts";

/** pcsc-lite's standard socket on Linux, from release 1.9.0 on: where programs look that have no PCSCLITE_CSOCK_NAME. */
export const SYSTEM_SOCKET = "/run/pcscd/pcscd.comm";

/**
 * Sees to it that a socket can be made at pcsc-lite's standard path, before anybody is asked for a password: nobody
 * listens there, the directory exists (0755, ours, if we make it), and we may write to it. Publishing the socket is the
 * caller's business. Disposing removes the directory if it was made here and is empty.
 *
 * @throws {CardwireError} `E_SOCKET_IN_USE` somebody listens there; `E_SOCKET_DENIED` no right to; `E_SOCKET_PATH`
 *   something else is there; `E_DISK_FULL`.
 */
export async function prepareSystemSocket(path = SYSTEM_SOCKET): Promise<AsyncDisposable> {
  const directory = dirname(path);
  let made = false;
  try {
    await checkSystemSocket(path);
    made = await makeDirectory(directory);
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    if (["EACCES", "EPERM", "EROFS"].includes(errorCode(cause) ?? "")) throw denied(path, cause);
    throw explainFileError(cause, `the socket ${path}`, dirname(directory));
  }
  return {
    async [Symbol.asyncDispose]() {
      if (made) await removeIfEmpty(directory);
    },
  };
}

/**
 * Prepares the standard path for a service that runs as somebody who may not write to /run: a stale socket is removed,
 * and the directory, made if missing, becomes that user's. For root.
 *
 * @throws {CardwireError} as {@link prepareSystemSocket} does.
 */
export async function giveSystemSocketTo(uid: number, path = SYSTEM_SOCKET): Promise<void> {
  await prepareSystemSocket(path);
  await removeStale(path);
  await chown(dirname(path), uid, -1);
}

/**
 * Undoes {@link giveSystemSocketTo}: removes what a killed service left, and makes the directory root's again, since
 * whose it is can take the place of a socket there. An empty one is removed, where it is not a mount of the sandbox. A
 * living socket stays.
 */
export async function clearSystemSocket(path = SYSTEM_SOCKET): Promise<void> {
  await removeStale(path);
  const directory = dirname(path);
  await removeIfEmpty(directory);
  await chown(directory, 0, 0).catch((error: unknown) => {
    if (errorCode(error) !== "ENOENT") throw error; // it is gone: good
  });
}

/** Makes the directory as pcscd does, whatever the umask. Resolves with whether there was none. */
async function makeDirectory(directory: string): Promise<boolean> {
  try {
    await mkdir(directory);
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") return false;
    throw cause;
  }
  await chmod(directory, 0o755);
  return true;
}

/** The socket alone: for root to delete trees in another user's directory would be unsafe. */
async function removeStale(path: string): Promise<void> {
  if ((await lookAtSocket(path)).state === "stale") await unlink(path);
}

async function removeIfEmpty(directory: string): Promise<void> {
  await rmdir(directory).catch(() => {}); // something is in it, somebody removed it, or it is a mount: all theirs
}

/** @throws {CardwireError} `E_SOCKET_IN_USE` somebody listens at the standard path; `E_SOCKET_PATH` something else is there. */
export async function checkSystemSocket(path = SYSTEM_SOCKET): Promise<void> {
  const place = await lookAtSocket(path);
  if (place.state === "other") {
    throw new CardwireError("E_SOCKET_PATH", `${path} is there already and is not a socket`, {
      hint: `Look what it is ('ls -l ${path}'), and remove it if you do not need it.`,
    });
  }
  if (place.state !== "live") return;
  const { holder, cause } = place;
  const activated = isSystemd(holder) ? ": pcscd.socket is active" : "";
  throw new CardwireError("E_SOCKET_IN_USE", `${path} is in use${byHolder(holder)}${activated}`, {
    cause,
    hint: remedy(holder),
  });
}

/** A socket that systemd made for pcscd is systemd's, also when pcscd runs. */
const isSystemd = (holder: SocketHolder | undefined): boolean =>
  holder?.name?.startsWith("systemd") ?? false;

function remedy(holder: SocketHolder | undefined): string {
  const isPcscd = isSystemd(holder) || (holder?.name?.startsWith("pcscd") ?? true);
  if (!isPcscd) return "End that program first, or attach without --system.";
  return "Stop pcscd with 'sudo systemctl disable --now pcscd.socket pcscd.service'; or leave it and attach without --system, with --local if its readers are to be in the same list.";
}

const denied = (path: string, cause: unknown): CardwireError =>
  new CardwireError("E_SOCKET_DENIED", `no right to make ${path}`, {
    cause,
    hint: "Use sudo, or let a service do it: 'sudo cardwire service install --as USER -- attach WHERE --system'.",
  });
