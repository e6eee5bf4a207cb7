import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { unixCarrier } from "../carriers/unix.ts";
import { deferred } from "../domain/deferred.ts";
import { ServedLink } from "../fronts/link/served-link.ts";
import { explainFileError } from "../host/file-errors.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "../host/owned-directory.ts";
import { runtimeDirectory } from "../host/paths.ts";
import { Hall } from "../link/hall.ts";
import { FEATURES } from "../link/versions.ts";
import { type PcscdService, pcscdService } from "../services/pcscd/service.ts";
import type { KeepOrder } from "./order.ts";

/** What a keeper says first to whoever connects: he learns that it is one, and that it is alive. */
export const GREETING = 0x2b;

/** How long it waits for the first session, ms: the one that asked for it has its address already. */
const FIRST_SESSION_MS = 30_000;

/** How soon pcscd may rest when the other end let it, ms: that one has waited long enough. */
const REST_AFTER_MS = 1_000;

/** Owns the sessions of one attachment and their cards, whatever becomes of the line. */
export interface Keeper extends AsyncDisposable {
  readonly socket: string;
  /** Resolves when nobody needs it any more: its last session has ended, or none came. */
  readonly unneeded: Promise<void>;
}

/**
 * Opens this computer's readers and listens for sessions in a directory that only this user can enter.
 *
 * @throws {CardwireError} why pcscd cannot be reached, or the directory not be made.
 */
export async function openKeeper(
  order: KeepOrder,
  { version, signal }: { version: string; signal: AbortSignal },
): Promise<Keeper> {
  const runtime = await runtimeDirectory();
  await sweepOwnedDirectories(runtime, "agent");
  const directory = await makeOwnedDirectory(runtime, "agent").catch((cause: unknown) => {
    throw explainFileError(cause, "the agent's directory", runtime);
  });
  // To be ended in reverse.
  const opened: (() => PromiseLike<unknown>)[] = [
    () => rm(directory, { recursive: true, force: true }),
  ];
  const close = async () => {
    for (let end = opened.pop(); end; end = opened.pop()) await end();
  };
  try {
    const carrier = unixCarrier(order.pcscd, { place: order.place });
    opened.push(() => carrier[Symbol.asyncDispose]());
    const { keepTrying } = order;
    const options = { ...order, restAfterMs: REST_AFTER_MS };
    const service = await pcscdService(carrier, options, { signal, keepTrying });
    opened.push(() => service[Symbol.asyncDispose]());
    const unneeded = deferred();
    const first = setTimeout(unneeded.resolve, FIRST_SESSION_MS);
    opened.push(async () => clearTimeout(first));
    const came = () => clearTimeout(first);
    const hall = openHall(order, service, { version, came, left: unneeded.resolve });
    opened.push(() => hall[Symbol.asyncDispose]());
    const server = createServer((stream) => welcome(stream, hall));
    opened.push(async () => server.close());
    const socket = join(directory, "link");
    await listen(server, socket);
    return { socket, unneeded: unneeded.promise, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function openHall(
  { secret, graceMs, lockMs }: KeepOrder,
  service: PcscdService,
  { version, came, left }: { version: string; came: () => void; left: () => void },
): Hall {
  const hall: Hall = new Hall({
    secret: Buffer.from(secret, "hex"),
    most: { graceMs, lockMs },
    features: FEATURES,
    about: () => `cardwire ${version}, pcscd protocol 4:${service.traits?.minor ?? "?"}`,
    serve: (end, { client }) => {
      came();
      return new ServedLink(service, end, { name: client });
    },
    left: () => {
      if (hall.size === 0) left();
    },
  });
  return hall;
}

function welcome(stream: Socket, hall: Hall): void {
  stream.on("error", () => {}); // "close" follows
  stream.write(Uint8Array.of(GREETING));
  hall.accept(stream);
}

function listen(server: ReturnType<typeof createServer>, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
