import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Peer } from "../fronts/pcsclite/application.ts";
import { PcscliteServer } from "../fronts/pcsclite/server.ts";
import { claimAttachment } from "../host/attachments.ts";
import { groupId } from "../host/group.ts";
import { LoadedLibraries } from "../host/loaded-library.ts";
import { attachmentSocket, runtimeDirectory } from "../host/paths.ts";
import { peerCredentials } from "../host/peer-credentials.ts";
import { letIn } from "../host/reach.ts";
import { checkSocketPlace, type PublishedSocket, publishSocket } from "../host/unix-socket.ts";
import { tellAt } from "../host/told-socket.ts";
import { Holdings } from "../domain/holdings.ts";
import type { Io } from "./io.ts";
import { giveLeases } from "./lease/give-leases.ts";
import { type OpenOptions, type OpenReaders, openReaders } from "./open.ts";
import type { FrontOptions } from "./options.ts";
import { makeScratchDirectory } from "../host/scratch-directory.ts";
import type { Source } from "./sources.ts";
import { attachmentStatus } from "./status.ts";

export interface AttachmentOptions extends Omit<OpenOptions, "directory">, FrontOptions {
  /** Under which others find it here; absent where nobody is to. */
  readonly name: string | undefined;
  readonly socket: string | undefined;
  readonly mode: number | undefined;
  readonly group: string | undefined;
}

/** A pcscd-compatible socket on this computer, and the readers behind it. */
export interface Attachment extends AsyncDisposable {
  readonly socket: string;
  readonly readers: OpenReaders;
}

/**
 * Opens the readers of all sources and serves them on a socket here. Disposing ends everything and removes the socket.
 *
 * @throws {CardwireError} why it cannot, with what to do; then nothing is left behind.
 */
export async function attach(
  sources: readonly Source[],
  options: AttachmentOptions,
  context: { io: Io; signal: AbortSignal },
): Promise<Attachment> {
  // Before anybody is asked for a password.
  if (options.socket !== undefined) await checkSocketPlace(options.socket);
  if (options.group !== undefined) await groupId(options.group);
  const runtime = await runtimeDirectory();
  const holdings = new Holdings();
  const hold = <T extends AsyncDisposable>(one: T): T => holdings.hold(one);
  const release = () => holdings[Symbol.asyncDispose]();
  try {
    const { directory, socket } = hold(await place(runtime, sources, options));
    const { group, slots, first } = options;
    const mode = options.mode ?? (group === undefined ? 0o600 : 0o660);
    // Where we chose the place, those who may use the socket can get there; what the user chose is left as it is.
    if (options.socket === undefined) await openDoors(runtime, directory, { mode, group });
    const readers = hold(await openReaders(sources, { ...options, directory }, context));
    const server = createServer();
    // The front accepts first: no application may connect and find nobody.
    const identify = identification();
    const front = new PcscliteServer(server, readers.service, { slots, first, identify });
    const published: PublishedSocket = await publishSocket(server, { path: socket, mode, group });
    hold(published);
    hold(front);
    if (options.name !== undefined) {
      const tell = async () => JSON.stringify(await attachmentStatus(readers, front.applications));
      hold(await tellAt(directory, tell));
      hold(await giveLeases(directory, readers));
    }
    context.signal.throwIfAborted();
    return { socket, readers, [Symbol.asyncDispose]: release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function openDoors(
  runtime: string,
  directory: string,
  { mode, group }: { mode: number; group: string | undefined },
): Promise<void> {
  if ((mode & 0o077) === 0) return;
  await letIn(directory, { mode, group });
  // Root's lies where everybody may go; a user's is below a directory of his own that is closed anyway.
  if (process.getuid?.() === 0) await letIn(runtime, { mode: 0o666 });
}

interface Place extends AsyncDisposable {
  readonly directory: string;
  readonly socket: string;
}

/** A directory of this attachment's own, and where its socket goes. */
async function place(
  runtime: string,
  sources: readonly Source[],
  { name, socket }: Pick<AttachmentOptions, "name" | "socket">,
): Promise<Place> {
  if (name === undefined) {
    const directory = await makeScratchDirectory(runtime, "run");
    const path = socket ?? join(directory.path, "pcscd.comm");
    return { directory: directory.path, socket: path, [Symbol.asyncDispose]: directory.remove };
  }
  const path = socket ?? attachmentSocket(runtime, name);
  const claim = await claimAttachment(runtime, {
    name,
    where: sources.map(({ text }) => text),
    socket: path,
  });
  const release = () => claim[Symbol.asyncDispose]();
  return { directory: claim.directory, socket: path, [Symbol.asyncDispose]: release };
}

/** Who applications are, and what library they have, as far as that can be found out. */
function identification(): (socket: Socket) => Peer {
  const libraries = new LoadedLibraries();
  return (socket) => {
    const peer = peerCredentials(socket);
    if (!peer) return { name: "a program" };
    const { uid, pid } = peer;
    // Programs of namespaces that are hidden from us all have this number.
    if (pid === 0) return { name: `uid ${uid}`, uid };
    return { name: `uid ${uid}, pid ${pid}`, uid, pid, slots: () => libraries.slots(pid) };
  };
}
