import { once } from "node:events";
import {
  access,
  chmod,
  constants,
  link,
  lstat,
  realpath,
  rename,
  rm,
  unlink,
} from "node:fs/promises";
import type { Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { explainFileError } from "./file-errors.ts";
import { giveToGroup, groupId } from "./group.ts";
import { withLock } from "./lock.ts";
import { ASIDE, makeOwnedDirectory, sweepOwnedDirectories } from "./owned-directory.ts";
import { byHolder, lookAtSocket } from "./socket-holder.ts";
import { checkSocketPath, withSocketPath } from "./socket-path.ts";

export interface SocketOptions {
  readonly path: string;
  /** Rights of the socket file; connecting takes the right to write. */
  readonly mode?: number;
  /** Name or number of the group that the file is given to. */
  readonly group?: string | undefined;
}

/** A listening socket with a name. Disposing it stops listening, and removes the name if it is still ours. */
export interface PublishedSocket extends AsyncDisposable {
  readonly path: string;
}

/** The socket while it is being made. Node.js unlinks the path it listened at once more at close: the name must be rare. */
const MADE = ".cardwire";

/**
 * Whether a socket could be published at `path` now, without making anything: for those who have more to do first, such
 * as asking a person for a password.
 *
 * @throws {CardwireError} as {@link publishSocket} does for its place.
 */
export async function checkSocketPlace(path: string): Promise<void> {
  checkSocketPath(path);
  try {
    await refuseOccupied(path);
    await access(dirname(path), constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw explainFileError(cause, `the socket ${path}`, dirname(path));
  }
}

/**
 * Listens with `server` at a path, as one step: the file appears with its final rights and group, replaces a stale one
 * without a moment in which there is none, and never takes the place of a live socket or of a file of another kind.
 * Connections are the business of the server's owner; disposing leaves them open.
 *
 * @throws {CardwireError} `E_SOCKET_IN_USE` somebody answers there; `E_SOCKET_PATH` too long, no directory, or no
 *   socket; `E_SOCKET_DENIED` no right to; `E_DISK_FULL`; `E_GROUP` unknown, or not one of ours; `E_LOCKED`.
 */
export async function publishSocket(
  server: Server,
  { path, mode = 0o600, group }: SocketOptions,
): Promise<PublishedSocket> {
  checkSocketPath(path);
  try {
    const gid = group === undefined ? undefined : await groupId(group);
    // The same place by another way must be the same lock.
    const place = join(await realpath(dirname(path)), basename(path));
    const inode = await withLock(place, async () => {
      await refuseOccupied(path); // before anything is made
      return listenAside(server, path, { mode, gid, group });
    });
    return { path, [Symbol.asyncDispose]: () => withdraw(server, { path, place, inode }) };
  } catch (cause) {
    server.close();
    throw explainFileError(cause, `the socket ${path}`, dirname(path));
  }
}

/**
 * Removes a socket at which nobody listens, and what was left where such sockets are made. Others stay. Resolves with
 * whether there was one.
 *
 * @throws {Error} the system's own error when it cannot be removed.
 */
export async function removeStaleSocket(path: string): Promise<boolean> {
  const parent = await realpath(dirname(path)).catch(() => undefined); // not there: nor is the socket
  if (parent === undefined) return false;
  await sweepOwnedDirectories(parent, ASIDE);
  return withLock(join(parent, basename(path)), async () => {
    if ((await lookAtSocket(path)).state !== "stale") return false;
    await unlink(path);
    return true;
  });
}

/** Listens in a fresh directory of our own beside `path`, then moves the socket there. Resolves with its inode. */
async function listenAside(
  server: Server,
  path: string,
  { mode, gid, group }: { mode: number; gid: number | undefined; group: string | undefined },
): Promise<string> {
  await sweepOwnedDirectories(dirname(path), ASIDE); // of one that was killed right here
  const aside = await makeOwnedDirectory(dirname(path), ASIDE);
  try {
    const made = join(aside, MADE);
    await withSocketPath(aside, MADE, async (short) => {
      server.listen(short);
      await once(server, "listening");
    });
    if (gid !== undefined) await giveToGroup(made, gid, group ?? "");
    await chmod(made, mode);
    const inode = await inodeOf(made);
    // link() fails where a file is, and so settles a race that the lock does not cover; rename() replaces.
    for (let stale = await refuseOccupied(path); ; stale = await refuseOccupied(path)) {
      if (stale) await rename(made, path);
      else if (!(await linked(made, path))) continue;
      return inode;
    }
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Resolves with whether a stale socket is at `path`; false is nothing at all. */
export async function refuseOccupied(path: string): Promise<boolean> {
  const place = await lookAtSocket(path);
  if (place.state === "other") {
    throw new CardwireError("E_SOCKET_PATH", `${path} is there already and is not a socket`, {
      hint: "Remove it yourself if you do not need it, or choose another path.",
    });
  }
  if (place.state !== "live") return place.state === "stale";
  const { holder, cause } = place;
  throw new CardwireError("E_SOCKET_IN_USE", `${path} is in use${byHolder(holder)}`, {
    cause,
    hint: "End that program first, or choose another path.",
  });
}

async function inodeOf(path: string): Promise<string> {
  const { dev, ino } = await lstat(path, { bigint: true });
  return `${dev}:${ino}`;
}

async function withdraw(
  server: Server,
  { path, place, inode }: { path: string; place: string; inode: string },
): Promise<void> {
  const remove = async () => {
    if ((await inodeOf(path)) === inode) await unlink(path);
  };
  try {
    await withLock(place, remove);
  } catch (error) {
    if (errorCode(error) !== "ENOENT")
      throw explainFileError(error, `the socket ${path}`, dirname(path)); // somebody removed it: good
  } finally {
    server.close(); // after the name is gone, so that nobody finds a name that refuses
  }
}
