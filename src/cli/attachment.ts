import { createServer, type Socket } from "node:net";
import type { Peer } from "../fronts/pcsclite/application.ts";
import { PcscliteServer } from "../fronts/pcsclite/server.ts";
import { type AttachmentClaim, claimAttachment } from "../host/attachments.ts";
import { attachmentSocket, runtimeDirectory } from "../host/paths.ts";
import { peerCredentials } from "../host/peer-credentials.ts";
import { type PublishedSocket, publishSocket } from "../host/unix-socket.ts";
import type { Io } from "./io.ts";
import { type OpenOptions, type OpenReaders, openReaders } from "./open.ts";
import type { Where } from "./where.ts";

export interface AttachmentOptions extends Omit<OpenOptions, "directory"> {
  readonly name: string;
  /** What stands in the record of the attachment. */
  readonly whereText: string;
  readonly socket: string | undefined;
  readonly mode: number | undefined;
  readonly group: string | undefined;
  readonly slots: number;
}

/** A pcscd-compatible socket on this computer, and the readers behind it. */
export interface Attachment extends AsyncDisposable {
  readonly name: string;
  readonly socket: string;
  readonly readers: OpenReaders;
}

/**
 * Opens the readers at WHERE and serves them on a socket here. Disposing ends everything and removes the socket.
 *
 * @throws {CardwireError} why it cannot, with what to do; then nothing is left behind.
 */
export async function attach(
  where: Where,
  options: AttachmentOptions,
  context: { io: Io; signal: AbortSignal },
): Promise<Attachment> {
  const runtime = await runtimeDirectory();
  const { name } = options;
  const socket = options.socket ?? attachmentSocket(runtime, name);
  const held: AsyncDisposable[] = [];
  const release = async () => {
    for (const one of held.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  };
  const hold = <T extends AsyncDisposable>(one: T): T => {
    held.push(one);
    return one;
  };
  try {
    const record = { name, where: [options.whereText], socket };
    const claim: AttachmentClaim = hold(await claimAttachment(runtime, record));
    const directory = claim.directory;
    const readers = hold(await openReaders(where, { ...options, directory }, context));
    const server = createServer();
    const { mode, group, slots } = options;
    const rights = { ...(mode !== undefined && { mode }), ...(group !== undefined && { group }) };
    // The front accepts first: no application may connect and find nobody.
    const front = new PcscliteServer(server, readers.service, { slots, identify });
    const published: PublishedSocket = await publishSocket(server, { path: socket, ...rights });
    hold(published);
    hold(front);
    return { name, socket, readers, [Symbol.asyncDispose]: release };
  } catch (error) {
    await release();
    throw error;
  }
}

function identify(socket: Socket): Peer {
  const peer = peerCredentials(socket);
  return peer ? { name: `uid ${peer.uid}, pid ${peer.pid}`, uid: peer.uid } : { name: "a program" };
}
