import { lstat, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { unixCarrier } from "../../carriers/unix.ts";
import { CardwireError } from "../../domain/errors.ts";
import { shellWord } from "../../domain/shell-word.ts";
import { type AttachmentRecord, runningAttachments } from "../../host/attachments.ts";
import { errorCode } from "../../host/error-code.ts";
import { ownedDirectories } from "../../host/owned-directory.ts";
import { checkPrivateDirectory } from "../../host/paths.ts";
import { readStart } from "../../host/read-start.ts";
import type { AttachmentFacts, SharedSocket, SocketFacts } from "../judge/sockets.ts";
import { lookAtDaemon } from "./daemon.ts";
import { lookAtService, lookAtSocket } from "./socket-place.ts";

/** Beginnings of the names of directories that commands of cardwire make for the time they run. */
const KINDS = ["ssh", "look", "run", "share", ".cardwire"];

/** Most of the file beside a share's socket that is read, bytes. */
const MAX_OWNER_BYTES = 4_096;

/** Longest text about a lender that is taken over, characters. */
const MAX_LENDER = 120;

/** Looks at the run-time directory and at whatever is in it. Makes nothing, removes nothing, never throws. */
export async function lookAtSockets(
  runtime: string,
  { signal }: { signal: AbortSignal },
): Promise<SocketFacts> {
  const nothing = {
    directory: runtime,
    attachments: [],
    shared: [],
    dead: [],
    stale: [],
    left: [],
  };
  try {
    await checkPrivateDirectory(runtime, process.getuid?.() ?? 0);
  } catch (error) {
    const isMissing = errorCode(error) === "ENOENT";
    if (isMissing && (await isDirectory(dirname(runtime))))
      // Nothing was ever attached.
      return { ...nothing, ...(await leftovers(await sharesElsewhere(runtime), signal)) };
    return { ...nothing, unusable: unusable(runtime, error) };
  }
  try {
    const running = await runningAttachments(runtime);
    const names = await readdir(runtime);
    const attachments = await Promise.all(running.map((one) => ask(one, signal)));
    const alive = new Set(running.map(({ name }) => name));
    const left = await leftIn([runtime, ...running.map(({ socket }) => dirname(socket))]);
    const others = names.filter((name) => !alive.has(name) && !left.includes(join(runtime, name)));
    const paths = [
      ...others.map((name) => join(runtime, name)),
      ...(await sharesElsewhere(runtime)),
    ];
    return { directory: runtime, attachments, left, ...(await leftovers(paths, signal)) };
  } catch (error) {
    return { ...nothing, unread: errorCode(error) ?? String(error) };
  }
}

const isDirectory = (path: string): Promise<boolean> =>
  lstat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

function unusable(runtime: string, error: unknown): NonNullable<SocketFacts["unusable"]> {
  if (CardwireError.is(error)) {
    const remedy = `chmod 700 ${shellWord(runtime)}   # if it is yours; else remove it, or set XDG_RUNTIME_DIR to a directory of your own`;
    return { why: error.message, remedy };
  }
  const why = `the run-time directory ${runtime} cannot be made: ${errorCode(error) ?? String(error)} at ${dirname(runtime)}`;
  return { why, remedy: "export XDG_RUNTIME_DIR=…   # a directory of your own, mode 0700" };
}

async function ask(record: AttachmentRecord, signal: AbortSignal): Promise<AttachmentFacts> {
  const { name, where, socket, pid } = record;
  const facts = { name, where, socket, pid };
  try {
    await using carrier = unixCarrier(socket);
    const daemon = await lookAtDaemon(carrier, { signal });
    const readers = daemon.state === "answers" ? daemon.readers.map((one) => one.name) : undefined;
    return { ...facts, readers };
  } catch {
    return { ...facts, readers: undefined }; // a record with a path that is none
  }
}

async function leftIn(places: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    [...new Set(places)].flatMap((place) => KINDS.map((kind) => ownedDirectories(place, kind))),
  );
  return found.flat().flatMap(({ path, inUse }) => (inUse ? [] : [path]));
}

/** Where others' shares put their sockets if their logins have no run-time directory, or if several users may use them. */
async function sharesElsewhere(runtime: string): Promise<readonly string[]> {
  const uid = process.getuid?.() ?? 0;
  const place = `/tmp/cardwire-${uid}`;
  const names = place !== runtime && (await isDirectoryOf(uid, place)) ? await readdir(place) : [];
  const found = names.map((name) => join(place, name));
  for (const name of await readdir("/tmp").catch(() => [])) {
    const path = join("/tmp", name);
    // Anybody may make one of such a name, and would be handed the PINs of whoever used the socket in it.
    if (name.startsWith(`cardwire-share-${uid}-`) && (await isDirectoryOf(uid, path)))
      found.push(path);
  }
  return found;
}

const isDirectoryOf = (uid: number, path: string): Promise<boolean> =>
  lstat(path).then(
    (found) => found.isDirectory() && found.uid === uid,
    () => false, // there is none
  );

/** Of what belongs to no running attachment: what dead ones left, and what other computers share here. */
async function leftovers(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Pick<SocketFacts, "dead" | "stale" | "shared">> {
  const dead: { name: string; path: string }[] = [];
  const stale: string[] = [];
  const shared: SharedSocket[] = [];
  for (const path of paths) {
    const inside = await readdir(path).catch((): string[] => []); // a file, or another user's
    if (inside.includes("attachment.json")) dead.push({ name: basename(path), path });
    else
      for (const socket of [path, ...inside.map((file) => join(path, file))]) {
        const place = await lookAtSocket(socket, { signal });
        if (place === "refused") stale.push(socket);
        if (place === "answers") shared.push(...(await share(socket, signal)));
      }
  }
  return { dead, stale, shared };
}

/** None where no `cardwire share` says that the socket is its. */
async function share(path: string, signal: AbortSignal): Promise<readonly SharedSocket[]> {
  const file = await readStart(`${path}.owner`, MAX_OWNER_BYTES).catch(() => undefined); // somebody else's socket
  const lender = new TextDecoder().decode(file?.bytes).split("\n")[1]?.slice(0, MAX_LENDER);
  if (!lender) return [];
  return [{ path, lender, answers: (await lookAtService(path, { signal })) === "answers" }];
}
