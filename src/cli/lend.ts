import { createServer } from "node:net";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lendThroughAgent } from "../agent/over-ssh/lend.ts";
import { NoAgent } from "../agent/over-ssh/way.ts";
import type { SshLine } from "../carriers/ssh/line.ts";
import { type Published, remoteSocket } from "../carriers/ssh/remote-socket.ts";
import { unixCarrier } from "../carriers/unix.ts";
import type { CardService } from "../domain/card-service.ts";
import { CardwireError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { Holdings } from "../domain/holdings.ts";
import type { Watchable } from "../domain/watchable.ts";
import { wordOf } from "../domain/where.ts";
import { PcscliteServer } from "../fronts/pcsclite/server.ts";
import { publishSocket } from "../host/unix-socket.ts";
import { liveliness } from "../services/pcscd/answers.ts";
import type { PcscdOptions } from "../services/pcscd/daemon.ts";
import { agentRemark, noAgentError, noAgentRemark } from "./agent-remarks.ts";
import type { WayOptions } from "./open-source.ts";
import type { FrontOptions } from "./options.ts";

/** How long a socket in our way over there may take to answer a VERSION request before it counts as dead, ms. */
const ALIVE_MS = 3_000;
/** How long to wait after a failure that nobody is told of, ms. */
const AGAIN_MS = 5_000;

export interface LendingOptions extends PcscdOptions, FrontOptions {
  /** `[user@]host`, as for ssh. */
  readonly destination: string;
  readonly way: WayOptions;
  /** How the socket's directory over there is called; undefined: as this computer. */
  readonly name: string | undefined;
  readonly socket: string | undefined;
  readonly mode: number | undefined;
  readonly group: string | undefined;
  /** Ours, for a socket. */
  readonly directory: string;
  readonly published: Watchable<Published | undefined>;
  /** Gets what went wrong while nobody waited, a sentence; it is tried again. */
  readonly notice: (text: string) => void;
}

/** Readers that are being lent. Disposing ends that, and leaves the line alone. */
export interface LendingOut extends AsyncDisposable {
  /** Resolves when it is settled how: over a line that is down that takes until it is up, and nobody waits for it. */
  readonly begun: (options: { signal: AbortSignal }) => Promise<void>;
  readonly remark: string | undefined;
}

/** Lends readers over a line: through an agent over there, or else a socket of sshd's. */
export function lend(service: CardService, line: SshLine, options: LendingOptions): LendingOut {
  const life = new AbortController();
  const holdings = new Holdings();
  let remark: (() => string | undefined) | undefined;
  const begin = async (signal: AbortSignal): Promise<void> => {
    using either = firstSignal(signal, life.signal);
    const attempt = new Holdings();
    try {
      remark = await lendSomehow(service, line, options, { ...either, holdings: attempt });
    } catch (error) {
      await attempt[Symbol.asyncDispose]();
      throw error;
    }
    holdings.hold(attempt);
  };
  let later: Promise<void> = Promise.resolve();
  const beginLater = async (): Promise<void> => {
    let said = "";
    while (!life.signal.aborted) {
      try {
        await line.up(life.signal);
        await begin(life.signal);
        return;
      } catch (error) {
        const why = CardwireError.is(error) ? error.message : String(error);
        if (why !== said && !life.signal.aborted) options.notice(`${why}; trying again`);
        said = why;
        await sleep(AGAIN_MS, undefined, { signal: life.signal, ref: false }).catch(() => {}); // the loop sees it
      }
    }
  };
  return {
    async begun({ signal }) {
      if (line.state.value.up || options.way.via === "forward") await begin(signal);
      else later = beginLater();
    },
    get remark() {
      return remark?.();
    },
    async [Symbol.asyncDispose]() {
      life.abort(new CardwireError("E_CLOSED", "it was closed"));
      await later;
      await holdings[Symbol.asyncDispose]();
    },
  };
}

/** @returns what is to be told of the means, whenever it is asked. */
async function lendSomehow(
  service: CardService,
  line: SshLine,
  options: LendingOptions,
  { signal, holdings }: { signal: AbortSignal; holdings: Holdings },
): Promise<() => string | undefined> {
  const { destination, way, published } = options;
  if (way.via !== "forward") {
    try {
      const { remoteNode } = way;
      const lending = { order: orderFor(options), remoteNode, about: whoWeAre(), published };
      const lent = holdings.hold(await lendThroughAgent(service, line, lending, { signal }));
      return () => agentRemark(lent.way, destination, "programs lose the cards");
    } catch (error) {
      if (!(error instanceof NoAgent)) throw error;
      if (way.via === "agent" || way.remoteNode !== undefined)
        throw noAgentError(error, destination);
      const remark = noAgentRemark(error, destination);
      await lendBySocket(service, line, options, { signal, holdings });
      return () => remark;
    }
  }
  await lendBySocket(service, line, options, { signal, holdings });
  return () => undefined;
}

/** Through a socket of sshd's, which leads to one here. */
async function lendBySocket(
  service: CardService,
  line: SshLine,
  options: LendingOptions,
  { signal, holdings }: { signal: AbortSignal; holdings: Holdings },
): Promise<void> {
  const { destination, slots, first, directory, published, mode, group } = options;
  const server = createServer();
  const front = new PcscliteServer(server, service, { slots, first });
  const path = join(directory, "pcscd.comm");
  const local = holdings.hold(await publishSocket(server, { path }));
  holdings.hold(front);
  const there = {
    destination,
    localSocket: local.path,
    name: nameThere(options),
    path: options.socket,
    mode,
    group,
    owner: ownerRecord(),
    isAlive: async (socket: string, how: { signal: AbortSignal }) =>
      (await liveliness(unixCarrier(socket), { ...how, limitMs: ALIVE_MS })) === "answers",
    published,
  };
  holdings.hold(await remoteSocket(line, there, { signal }));
}

function orderFor(options: LendingOptions) {
  const { way, pipelining, keepWarm, mode, group, socket, slots, first } = options;
  return {
    place: whoWeAre(),
    ...way.patience,
    pipelining,
    keepWarm,
    prefetch: way.prefetch,
    name: nameThere(options),
    path: socket,
    mode: mode ?? (group === undefined ? 0o600 : 0o660),
    group,
    slots,
    first: first ?? [],
  };
}

const nameThere = ({ name }: LendingOptions): string => name ?? (wordOf(hostname()) || "cardhost");

const whoWeAre = (): string => `${userInfo().username}@${hostname()}`;

/** One line of JSON that tells people over there whose socket it is. */
const ownerRecord = (): string =>
  JSON.stringify({
    from: whoWeAre(),
    pid: process.pid,
    startedAt: new Date().toISOString(),
  });
