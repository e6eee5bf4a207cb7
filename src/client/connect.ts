import type { Carrier } from "../carriers/carrier.ts";
import { unixCarrier } from "../carriers/unix.ts";
import type { CardService } from "../domain/card-service.ts";
import { parseWhere } from "../domain/where.ts";
import { runtimeDirectory } from "../host/paths.ts";
import { programsSocket } from "../host/programs-socket.ts";
import { makeScratchDirectory } from "../host/scratch-directory.ts";
import { pcscdService } from "../services/pcscd/service.ts";
import { Client } from "./client.ts";

/** How `connect` gets to the readers. */
export interface ConnectOptions {
  /** Gives up while connecting; later, use the methods' own. */
  readonly signal?: AbortSignal;
  /** The ssh program and its first arguments: `["ssh", "-F", "file"]`. `ssh` unless told. */
  readonly ssh?: readonly string[];
  /** Whether ssh may ask a person at the terminal, for a passphrase or about a new host. No, unless told. */
  readonly canAsk?: boolean;
}

/** Every answer that carries no news is not waited for, as the command does. */
const SHORT_CUTS = { pipelining: true, rememberFeatures: true, keepWarm: false } as const;

/** As the command has it. */
const LINK = {
  pipelining: true,
  prefetch: true,
  patience: { graceMs: 30_000, lockMs: 10_000 },
} as const;

/**
 * Opens readers: those of this computer, of another one, or of any {@link CardService}.
 *
 * @param where `[user@]host`, `ssh://[user@]host[:port]`, `cardwire://host[:port]` for a host that was joined,
 *   `unix:PATH`, `software:` for two empty readers of this program, `demo:` for one with a PIV card in it, or a service, which is the client's to dispose from now on. Without
 *   it, where PCSCLITE_CSOCK_NAME says, or else this computer's pcscd.
 * @throws {CardwireError} why they cannot be reached, with a hint what to do.
 *
 * @example
 * await using client = await connect("alice@cardhost");
 * const reader = await client.waitForCard();
 * await using card = await client.connect(reader.name);
 * await using transaction = await card.transaction();
 * const { data, sw } = await card.command({ ins: 0xa4, p1: 4, data: aid, le: 256 });
 */
export async function connect(
  where?: string | CardService,
  options: ConnectOptions = {},
): Promise<Client> {
  if (typeof where === "object") return new Client(where, async () => {});
  const signal = options.signal ?? new AbortController().signal;
  const place = parseWhere(where ?? `unix:${programsSocket(process.env)}`);
  if (place.kind === "software") {
    const { SoftwareReaders } = await import("../services/software/service.ts");
    return new Client(
      new SoftwareReaders(["Software Reader 00 00", "Software Reader 01 00"]),
      async () => {},
    );
  }
  if (place.kind === "demo") {
    const { demoReaders } = await import("../services/software/demo.ts");
    return new Client(await demoReaders(), async () => {});
  }
  if (place.kind === "unix")
    return await overCarrier(unixCarrier(place.path), signal, async () => {});
  if (place.kind === "cardwire") {
    const { openJoined } = await import("../joined/open.ts");
    const joined = await openJoined(place, LINK, { signal });
    return new Client(joined.service, () => joined.way[Symbol.asyncDispose]());
  }
  const { sshCarrier } = await import("../carriers/ssh/carrier.ts");
  const directory = await makeScratchDirectory(await runtimeDirectory(), "lib");
  try {
    const carrier = await sshCarrier({
      destination: place.destination,
      ssh: options.ssh ?? ["ssh"],
      directory: directory.path,
      canAsk: options.canAsk ?? false,
      canAskAgain: false,
      signal,
    });
    return await overCarrier(carrier, signal, directory.remove);
  } catch (error) {
    await directory.remove();
    throw error;
  }
}

async function overCarrier(
  carrier: Carrier,
  signal: AbortSignal,
  close: () => Promise<void>,
): Promise<Client> {
  try {
    const service = await pcscdService(carrier, SHORT_CUTS, { signal });
    return new Client(service, async () => {
      await carrier[Symbol.asyncDispose]();
      await close();
    });
  } catch (error) {
    await carrier[Symbol.asyncDispose]();
    throw error;
  }
}
