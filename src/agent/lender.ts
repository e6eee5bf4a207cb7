import { createServer } from "node:net";
import type { Duplex } from "node:stream";
import { utimes } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { AttachmentStatus } from "../domain/attachment-status.ts";
import { deferred } from "../domain/deferred.ts";
import { CardwireError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { Holdings } from "../domain/holdings.ts";
import { readerJson } from "../domain/reader-json.ts";
import { PcscliteServer } from "../fronts/pcsclite/server.ts";
import { claimAttachment, runningAttachments } from "../host/attachments.ts";
import { attachmentSocket, runtimeDirectory } from "../host/paths.ts";
import { closedDoor, letIn } from "../host/reach.ts";
import { tellAt } from "../host/told-socket.ts";
import { publishSocket, refuseOccupied } from "../host/unix-socket.ts";
import { LateService } from "../services/late.ts";
import { type RemoteService, remoteService } from "../services/remote/service.ts";
import { openDoorway } from "./doorway.ts";
import { FIRST_SESSION_MS, type Keeper } from "./keeper.ts";
import type { LendOrder } from "./order.ts";

/**
 * Makes the readers of the one who asks usable by programs of this computer, on a socket as pcscd's, whatever becomes of
 * the line to him.
 *
 * @throws {CardwireError} why the socket cannot be there, as publishSocket and claimAttachment.
 */
export async function openLender(
  order: LendOrder,
  { version, signal }: { version: string; signal: AbortSignal },
): Promise<Keeper> {
  const opened = new Holdings();
  try {
    const runtime = await runtimeDirectory();
    const path = order.path ?? attachmentSocket(runtime, order.name);
    await refuseShared(runtime, path);
    await refuseOccupied(path); // whoever takes a name empties its directory
    const claim = { name: order.name, where: [`the readers of ${order.place}`], socket: path };
    const { directory } = opened.hold(await claimAttachment(runtime, claim));
    const { mode, group, slots, first } = order;
    if (order.path === undefined && (mode & 0o077) !== 0) {
      await letIn(directory, { mode, group });
      if (process.getuid?.() === 0) await letIn(runtime, { mode: 0o666 });
    }
    const service = opened.hold(new LateService({ isSoon: true }));
    const server = createServer();
    const front = new PcscliteServer(server, service, { slots, first });
    opened.hold(await publishSocket(server, { path, mode, group }));
    opened.hold(front);
    const streams = new Streams();
    const { socket } = opened.hold(await openDoorway((stream) => streams.put(stream)));
    const life = new AbortController();
    const link: { remote?: RemoteService } = {};
    const tell = async () => JSON.stringify(statusOf(order, link.remote, front.applications));
    opened.hold(await tellAt(directory, tell));
    const linked = follow(order, { service, streams, version, link, signal: life.signal });
    const kept = stays(path, life.signal);
    opened.hold({
      async [Symbol.asyncDispose]() {
        life.abort(new Error("it is over"));
        await linked;
      },
    });
    signal.throwIfAborted();
    const door = await closedDoor(path).catch(() => undefined); // removed by somebody meanwhile
    return {
      socket,
      lent: { path, ...(door !== undefined && { closedDoor: door }) },
      unneeded: Promise.race([linked, kept]),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** @throws {CardwireError} `E_SOCKET_IN_USE` that says whose it is, where a cardwire of this user has that socket. */
async function refuseShared(runtime: string, path: string): Promise<void> {
  const holder = (await runningAttachments(runtime)).find(({ socket }) => socket === path);
  if (!holder) return;
  const { where, pid, startedAt } = holder;
  throw new CardwireError(
    "E_SOCKET_IN_USE",
    `${path} is in use by ${where.join(" and ")} (process ${pid}, since ${startedAt})`,
    { hint: "End that one first, or choose another --name or --socket." },
  );
}

/** Has the readers there, from the first session on until it is lost or ended at the other end. Never rejects. */
async function follow(
  { secret, place, graceMs, lockMs, pipelining, prefetch, keepWarm }: LendOrder,
  {
    service,
    streams,
    version,
    link,
    signal,
  }: {
    service: LateService;
    streams: Streams;
    version: string;
    /** Gets the readers' service once it is there. */
    link: { remote?: RemoteService };
    signal: AbortSignal;
  },
): Promise<void> {
  const way = {
    name: place,
    secret: Buffer.from(secret, "hex"),
    open: (within: { signal: AbortSignal }) => streams.take(within.signal),
  };
  const options = {
    pipelining,
    prefetch,
    patience: { graceMs, lockMs },
    about: `cardwire ${version}`,
    ...(!keepWarm && { restAfterMs: REST_AFTER_MS }),
  };
  try {
    using first = firstSignal(signal, AbortSignal.timeout(FIRST_SESSION_MS));
    await using remote = await remoteService(way, options, first);
    service.arrive(remote);
    link.remote = remote;
    await remote.lost({ signal });
  } catch {
    // Nobody came, or it is over.
  }
}

/** What `cardwire status` tells of it on this computer. */
function statusOf(
  { place }: LendOrder,
  remote: RemoteService | undefined,
  programs: number,
): AttachmentStatus {
  const { state = "gone", ...figures } = remote?.figures ?? {};
  const source = {
    where: `the readers of ${place}`,
    state: state === "gone" ? ("down" as const) : state,
    server: "",
    ...figures,
    readers: (remote?.readers ?? []).map(readerJson),
  };
  return { programs, sources: [source] };
}

/**
 * Resolves when somebody removed the socket: then all is made anew. Its file is touched, since what is old in /tmp is
 * cleaned away (tmpfiles.d(5): after ten days).
 */
async function stays(path: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const now = new Date();
    const isThere = await utimes(path, now, now).then(
      () => true,
      () => false,
    );
    if (!isThere) return;
    await sleep(CHECK_MS, undefined, { signal, ref: false }).catch(() => {}); // the loop sees it
  }
}

/** How often it is looked whether the socket is there still, ms. */
const CHECK_MS = 10_000;

/** How long nobody may use the readers until the other end may rest, ms. */
const REST_AFTER_MS = 600_000;

/** Connections of the other cardwire: the latest takes the place of the one before. */
class Streams {
  #latest: Duplex | undefined;
  #isTaken = true;
  #came = deferred();

  put(stream: Duplex): void {
    this.#latest?.destroy();
    this.#latest = stream;
    this.#isTaken = false;
    this.#came.resolve();
  }

  /** One that nobody took yet, as soon as it is there. @throws the signal's reason. */
  async take(signal: AbortSignal): Promise<Duplex> {
    for (;;) {
      signal.throwIfAborted();
      const stream = this.#latest;
      if (stream && !this.#isTaken && !stream.destroyed) {
        this.#isTaken = true;
        return stream;
      }
      this.#came = deferred();
      await settled(this.#came.promise, signal);
    }
  }
}

/** Resolves with `promise`, or when `signal` aborts. */
async function settled(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const proceed = () => {
      signal.removeEventListener("abort", proceed);
      resolve();
    };
    signal.addEventListener("abort", proceed, { once: true });
    void promise.then(proceed);
  });
}
