import { endianness } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { Carrier } from "../../carriers/carrier.ts";
import { CardwireError, ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Command, MAJOR } from "../../wire/pcsclite/constants.ts";
import {
  dialectOf,
  type FixedSlots,
  NEWEST_MINOR,
  OLDEST_DAEMON_MINOR,
} from "../../wire/pcsclite/dialects.ts";
import type { Speech } from "../../wire/pcsclite/replies.ts";
import type { ByteOrder } from "../../wire/struct.ts";
import { Connection } from "./connection.ts";

/** What the first connection to a daemon found out, so that later ones need not ask. */
export interface DaemonTraits {
  readonly order: ByteOrder;
  /** The minor version that both ends speak: 3 to 6. */
  readonly minor: number;
  readonly slots: FixedSlots;
}

export const speechOf = ({ order, minor, slots }: DaemonTraits): Speech => ({
  order,
  dialect: dialectOf(minor, slots),
});

const native: ByteOrder = endianness() === "LE" ? "little" : "big";
const foreign: ByteOrder = native === "little" ? "big" : "little";

/**
 * What is tried, after which pause, ms. The likely order once more, since it may have been the daemon's queue of those
 * who connect that was full, and not the daemon that hung up (as Uplink.openContext says).
 */
const ATTEMPTS: readonly (readonly [order: ByteOrder, pauseMs: number])[] = [
  [native, 0],
  [foreign, 0],
  [native, 50],
];

/**
 * Agrees with a daemon on a version and finds out its byte order: it hangs up on the other one at once.
 *
 * @returns an open connection on which the version is agreed, and what was learnt.
 * @throws {CardwireError} what `carrier` says when nothing can be reached, or why the daemon hangs up;
 *   `E_PCSCD_VERSION` when it speaks no version that we know.
 */
export async function negotiate(
  carrier: Carrier,
  { signal }: { signal: AbortSignal },
): Promise<{ connection: Connection; traits: DaemonTraits }> {
  for (const [order, pauseMs] of ATTEMPTS) {
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal });
    const connection = await openConnection(
      carrier,
      { order, minor: NEWEST_MINOR, slots: 16 },
      signal,
    );
    try {
      const minor = await agree(connection);
      const traits: DaemonTraits = { order, minor, slots: 16 };
      connection.speech = speechOf(traits);
      return { connection, traits };
    } catch (error) {
      connection.close();
      signal.throwIfAborted();
      if (!CardwireError.is(error) || error.code !== "E_PCSCD_GONE") throw error;
    }
  }
  throw await carrier.explainSilence({ signal });
}

/** A connection to a daemon with an SCARDCONTEXT of its own on it. */
export interface Context {
  readonly connection: Connection;
  readonly number: number;
}

/**
 * Opens a connection to a daemon whose traits are known and a context on it: one exchange. The connection lives until
 * somebody closes it or `signal` aborts.
 *
 * @throws {CardwireError} as {@link negotiate}; `E_PCSCD_VERSION` when the daemon is not the same any more.
 */
export async function openContext(
  carrier: Carrier,
  traits: DaemonTraits,
  { signal }: { signal: AbortSignal },
): Promise<Context> {
  const connection = await openConnection(carrier, traits, signal);
  try {
    const { minor } = traits;
    const [version, context] = await Promise.all([
      connection.request(Command.Version, { major: MAJOR, minor, rv: 0 }),
      connection.request(Command.EstablishContext, { scope: SCOPE_SYSTEM, context: 0, rv: 0 }),
    ]);
    if (version.body.rv !== 0) throw refusedVersion(version.body.minor);
    if (context.body.rv !== 0) throw new ReturnCodeError("SCardEstablishContext", context.body.rv);
    return { connection, number: context.body.context };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** SCARD_SCOPE_SYSTEM; daemons make no difference between scopes. */
const SCOPE_SYSTEM = 2;

async function openConnection(
  carrier: Carrier,
  traits: DaemonTraits,
  signal: AbortSignal,
): Promise<Connection> {
  const socket = await carrier.open({ signal });
  const connection = new Connection(socket, speechOf(traits));
  const close = () => connection.close();
  signal.addEventListener("abort", close, { once: true });
  void connection.closed.then(() => signal.removeEventListener("abort", close)); // never rejects
  return connection;
}

/** Offers our newest version, then the one that the daemon names in its refusal (protocol reference, section 2.2). */
async function agree(connection: Connection): Promise<number> {
  let offer = NEWEST_MINOR;
  for (let attempt = 0; attempt < 2; attempt++) {
    const { body } = await connection.request(Command.Version, {
      major: MAJOR,
      minor: offer,
      rv: 0,
    });
    if (body.major !== MAJOR || body.minor < OLDEST_DAEMON_MINOR) throw refusedVersion(body.minor);
    if (body.rv === 0) return Math.min(offer, body.minor);
    if (body.rv !== Rv.ServiceStopped && body.rv !== Rv.NoService)
      throw new ReturnCodeError("version", body.rv);
    offer = Math.min(body.minor, NEWEST_MINOR);
  }
  throw refusedVersion(offer);
}

const refusedVersion = (minor: number): CardwireError =>
  new CardwireError(
    "E_PCSCD_VERSION",
    `pcscd speaks protocol 4:${minor}, which it does not agree on`,
    {
      hint: `cardwire speaks 4:${OLDEST_DAEMON_MINOR} to 4:${NEWEST_MINOR}: pcsc-lite 1.8.9 and later.`,
    },
  );
