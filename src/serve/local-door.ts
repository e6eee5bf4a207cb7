import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { canTellPeers, peerCredentials } from "../host/peer-credentials.ts";
import { closedDoor, letIn } from "../host/reach.ts";
import { publishSocket } from "../host/unix-socket.ts";

/** How many may be connected at once: as many as there are links, and some that come and go. */
const MAX_CONNECTIONS = 1_100;

const MODES = { own: 0o600, group: 0o660 } as const;

export interface LocalDoorOptions {
  readonly path: string;
  /** A group whose members may connect; without one only this user may, and root. */
  readonly group: string | undefined;
  /** Gets each connection. @param uid whose it is. */
  readonly arrived: (stream: Socket, uid: number) => void;
}

/** Where users of this computer come in. Disposing it leaves their connections alone. */
export interface LocalDoor extends AsyncDisposable {
  readonly path: string;
  /** A directory that keeps those away whom the group admits; undefined where there is none. */
  readonly closedDoor: string | undefined;
}

/**
 * Listens for users of this computer. Who they are the kernel says; where it cannot be asked (the optional package
 * koffi is not installed) only the user of this process gets in, by the socket's rights.
 *
 * @throws {CardwireError} `E_USAGE` when a group is to get in and nobody can be told from another; what publishSocket throws.
 */
export async function openLocalDoor({
  path,
  group,
  arrived,
}: LocalDoorOptions): Promise<LocalDoor> {
  if (group !== undefined && !canTellPeers())
    throw new CardwireError("E_USAGE", "who connects to a local socket cannot be told here", {
      hint: "Install the package koffi ('npm install koffi' beside cardwire), or leave --local-group away.",
    });
  const server = createServer((stream) => {
    stream.on("error", () => {}); // "close" follows
    const uid = canTellPeers() ? peerCredentials(stream)?.uid : process.getuid?.();
    if (uid === undefined) stream.destroy();
    else arrived(stream, uid);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const mode = group === undefined ? MODES.own : MODES.group;
  const published = await publishSocket(server, { path, mode, group });
  try {
    const runtime = dirname(path);
    // What lies below /tmp is nobody else's to look into.
    if (group !== undefined && !runtime.startsWith("/tmp/")) await letIn(runtime, { mode: 0o666 });
    const door = group === undefined ? undefined : await closedDoor(path);
    return {
      path,
      closedDoor: door,
      [Symbol.asyncDispose]: () => published[Symbol.asyncDispose](),
    };
  } catch (error) {
    await published[Symbol.asyncDispose]();
    throw error;
  }
}
