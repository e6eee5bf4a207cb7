import { constants, type X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { CardwireError } from "../../domain/errors.ts";
import { withPort } from "../../domain/host-address.ts";
import { errorCode } from "../../host/error-code.ts";
import { portHolder } from "../../host/port-holder.ts";
import { byHolder } from "../../host/socket-holder.ts";
import type { Credentials } from "./authority.ts";
import { type Protocol, VERSIONS } from "./protocols.ts";
import { SlowLane } from "./slow-lane.ts";
import { WaitingRoom, type WaitingRoomOptions } from "./waiting-room.ts";

/** Connections that have not shown who they are: at once, from one network, and for how long, ms. */
const WAITING: WaitingRoomOptions = { most: 256, mostEach: 32, limitMs: 10_000 };

/** How long what was said last may take to go out at the end, ms. */
const LAST_WORDS_MS = 300;

/** Somebody whose handshake is over. Who he is remains to be looked at. */
export interface Arrival {
  readonly stream: TLSSocket;
  /** Where he is. */
  readonly address: string;
  readonly protocol: Protocol;
  /** What he showed, having its key; undefined where it was nothing. */
  readonly certificate: X509Certificate | undefined;
  /** Why TLS does not trust that, as OpenSSL calls it; undefined where it does. */
  readonly distrust: string | undefined;
  /** He may stay: from here on his time is not limited. */
  readonly admit: () => void;
}

/** What somebody took before he was sent away. */
export type Cost = "nothing" | "a handshake";

export interface TlsListenOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** Addresses of this computer; none: all of them. */
  readonly addresses: readonly string[];
  readonly secrets: ServerSecrets;
  /** What may be asked for. */
  readonly protocols: readonly Protocol[];
  readonly arrived: (arrival: Arrival) => void;
  /** Somebody was sent away before that: he was one too many, or speaks something else. */
  readonly refused: (address: string, reason: string, cost: Cost) => void;
  readonly waiting?: WaitingRoomOptions | undefined;
}

/**
 * What a server shows of itself, and whose certificates it takes. Behind its own certificate stand those between it and
 * what clients know: the authority's as well where they know that by its fingerprint.
 */
export interface ServerSecrets extends Credentials {
  /** Those who may have signed the certificates of clients, PEM. */
  readonly authorities: readonly string[];
}

export interface TlsListener extends AsyncDisposable {
  /** The one that was asked for, or that the system chose. */
  readonly port: number;
  /** Connections that have not shown who they are. */
  readonly waiting: number;
  /** Somebody from there came too often: for a while, handshakes with that network begin one after the other. */
  slow(address: string): void;
  /** Shows other secrets from now on; connections that there are stay. */
  renew(secrets: ServerSecrets): void;
}

/**
 * Listens for TLS 1.3, and hands over those whose handshake was good: with a certificate, or none, which is for the
 * owner to judge. Disposing stops listening and ends all connections.
 *
 * @throws {CardwireError} `E_PORT_IN_USE`, `E_LISTEN`
 */
export async function listenTls(options: TlsListenOptions): Promise<TlsListener> {
  const { arrived, refused, protocols, waiting = WAITING } = options;
  const lane = new SlowLane();
  const streams = new Map<string, Socket>();
  /** Those whose handshake is neither over nor known to have failed, and what they have cost so far. */
  const greeting = new Map<Socket, Cost>();
  const room = new WaitingRoom(waiting, (raw, reason) => {
    refused(addressOf(raw), reason, greeting.get(raw) ?? "nothing");
    greeting.delete(raw);
  });
  const fail = (raw: Socket, why: string): void => {
    const cost = greeting.get(raw);
    if (cost && greeting.delete(raw)) refused(addressOf(raw), `no handshake: ${why}`, cost);
  };
  const tls = createTlsServer({
    ...contextOf(options.secrets),
    ALPNProtocols: [...protocols],
    requestCert: true,
    rejectUnauthorized: false, // who joins has none yet; all others are judged by the owner, each time
    handshakeTimeout: waiting.limitMs,
  });
  tls.on("tlsClientError", (error, stream) => {
    const raw = streams.get(ends(stream));
    stream.destroy();
    if (raw) fail(raw, errorCode(error) ?? error.message); // else it is gone already, and its end tells
  });
  tls.on("secureConnection", (stream) => {
    stream.on("error", () => {}); // "close" follows
    const protocol = protocols.find((one) => one === stream.alpnProtocol);
    const raw = streams.get(ends(stream));
    if (raw) greeting.delete(raw);
    if (protocol === undefined || raw === undefined || stream.isSessionReused()) {
      refused(addressOf(stream), "it does not say what it wants", "a handshake");
      stream.destroy();
      return;
    }
    stream.setNoDelay(true);
    arrived({
      stream,
      address: addressOf(stream),
      protocol,
      certificate: stream.getPeerX509Certificate(),
      distrust: stream.authorized ? undefined : String(stream.authorizationError),
      admit: () => room.leave(raw),
    });
  });
  const welcome = (raw: Socket): void => {
    raw.on("error", () => {}); // "close" follows
    if (!room.enter(raw)) return;
    const key = ends(raw);
    streams.set(key, raw);
    greeting.set(raw, "nothing");
    const begin = (): void => {
      if (raw.destroyed) return;
      greeting.set(raw, "a handshake");
      tls.emit("connection", raw);
    };
    const waitMs = lane.place(addressOf(raw));
    const waiter = waitMs > 0 ? setTimeout(begin, waitMs) : undefined;
    waiter?.unref();
    raw.once("close", () => {
      if (streams.get(key) === raw) streams.delete(key);
      clearTimeout(waiter);
      fail(raw, "it hung up");
    });
    if (waitMs === 0) begin();
  };
  const servers = await listenAt(options, welcome);
  return {
    port: portOf(servers[0]),
    get waiting() {
      return room.size;
    },
    slow: (address) => lane.slow(address),
    renew: (secrets) => tls.setSecureContext(contextOf(secrets)),
    async [Symbol.asyncDispose]() {
      const closed = servers.map((server) => once(server, "close"));
      for (const server of servers) server.close();
      const late = setTimeout(() => {
        for (const raw of streams.values()) raw.destroy();
      }, LAST_WORDS_MS);
      room.clear();
      await Promise.all(closed);
      clearTimeout(late);
    },
  };
}

const contextOf = ({ certificate, key, authorities }: ServerSecrets) => ({
  ...VERSIONS,
  cert: certificate,
  key,
  ca: [...authorities],
  // A session that is resumed shows no certificate.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** By which the two sides of one connection's encryption are known to belong together. */
const ends = ({ localAddress, localPort, remoteAddress, remotePort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

const addressOf = ({ remoteAddress = "?" }: Socket): string =>
  remoteAddress.replace(/^::ffff:(?=\d+\.)/, "");

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

/** All or none. The first one's port is the others' as well. */
async function listenAt(
  { addresses, port }: TlsListenOptions,
  welcome: (raw: Socket) => void,
): Promise<readonly Server[]> {
  const servers: Server[] = [];
  try {
    for (const host of addresses.length > 0 ? addresses : [undefined]) {
      const server = createServer({ noDelay: true }, welcome);
      const wanted = portOf(servers[0]) || port;
      server.listen(host === undefined ? { port: wanted } : { port: wanted, host });
      try {
        await once(server, "listening");
      } catch (cause) {
        throw await explain(cause, host, wanted);
      }
      servers.push(server);
    }
    return servers;
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}

async function explain(
  cause: unknown,
  host: string | undefined,
  port: number,
): Promise<CardwireError> {
  const code = errorCode(cause);
  const place = host === undefined ? `port ${port}` : withPort(host, port);
  if (code === "EADDRINUSE")
    return new CardwireError(
      "E_PORT_IN_USE",
      `${place} is in use${byHolder(await portHolder(port))}`,
      { cause, hint: "End that program first, or choose another port with --port." },
    );
  const hint =
    code === "EACCES"
      ? "Ports below 1024 are root's: choose another one with --port."
      : "--address wants an address of this computer; without it, cardwire listens at all of them.";
  const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
  return new CardwireError("E_LISTEN", `cannot listen at ${place}: ${reason}`, { cause, hint });
}
