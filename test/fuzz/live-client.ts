import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unixCarrier } from "../../src/carriers/unix.ts";
import { Holdings } from "../../src/domain/holdings.ts";
import { CardwireError } from "../../src/domain/errors.ts";
import { PcscliteServer } from "../../src/fronts/pcsclite/server.ts";
import { PcscdService } from "../../src/services/pcscd/service.ts";
import { cards } from "../replay/attached.ts";
import type { Order } from "../replay/bytes.ts";
import type { Kind } from "../replay/commands.ts";
import { type ReplayDaemon, startDaemon } from "../replay/daemon.ts";
import { campaign } from "./campaign.ts";
import { Draw } from "./draw.ts";
import { hostileDaemon } from "./hostile-daemon.ts";
import { judgeAsApplication } from "./judging-application.ts";

const KINDS: readonly Kind[] = ["1.8.23", "1.9.9", "2.3.3", "2.4.1", "2.5.1"];
const ORDERS: readonly Order[] = ["little", "big"];
const OPTIONS = { pipelining: true, rememberFeatures: true, keepWarm: false };
/** How long a start is waited for, ms: a daemon that is silent is waited for without limit. */
const START_MS = 300;
/** How long everything may take to end, ms, on a computer that has much else to do. */
const END_MS = 30_000;

interface HostileHost {
  readonly seed: number;
  readonly how: string;
  readonly bytes: Buffer;
}

/** cardwire on daemons that misbehave: each seed another one, in front of an honest one of each kind and byte order. */
export class LiveClient implements AsyncDisposable {
  readonly #directory: string;
  readonly #honest: readonly ReplayDaemon[];

  constructor(directory: string, honest: readonly ReplayDaemon[]) {
    this.#directory = directory;
    this.#honest = honest;
  }

  /** Judges hosts from seed `from` on. @returns how many. */
  async fuzz({ count, from, atOnce }: { count: number; from: number; atOnce: number }) {
    return await campaign<HostileHost>({
      name: "a live client",
      count,
      from,
      atOnce,
      make: (seed) => ({ seed, how: "a hostile daemon", bytes: Buffer.alloc(0) }),
      judge: ({ seed }) => this.#judge(seed),
    });
  }

  async #judge(seed: number): Promise<string> {
    const draw = new Draw(seed);
    const backend = draw.pick(this.#honest);
    backend.requests.length = 0;
    const paths = {
      daemon: join(this.#directory, `${seed}d`),
      front: join(this.#directory, `${seed}f`),
    };
    const about = { seed, order: backend.order, backend: backend.path };
    await using hostile = await hostileDaemon(paths.daemon, about);
    const holdings = new Holdings();
    try {
      const carrier = holdings.hold(unixCarrier(paths.daemon));
      const service = holdings.hold(new PcscdService(carrier, OPTIONS));
      await started(service, draw.chance(0.5));
      const server = createServer();
      holdings.hold(new PcscliteServer(server, service));
      await new Promise<void>((resolve) => {
        server.listen(paths.front, resolve);
      });
      try {
        return await judgeAsApplication(paths.front, draw.pick([4, 5, 6]));
      } finally {
        server.close();
        await ended(holdings);
      }
    } catch (error) {
      throw new Error(
        `${String(error)}; the daemon ${backend.kind} ${backend.order}: ${hostile.how.join(", ")}`,
        {
          cause: error,
        },
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#honest) await daemon[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A start may fail, with an error for people. */
async function started(service: PcscdService, keepTrying: boolean): Promise<void> {
  const signal = AbortSignal.timeout(START_MS);
  try {
    await service.start({ signal, keepTrying });
  } catch (error) {
    if (!CardwireError.is(error) && !signal.aborted) throw error;
  }
}

async function ended(holdings: Holdings): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error("it does not end")), END_MS);
  });
  try {
    await Promise.race([holdings[Symbol.asyncDispose](), late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function liveClient(): Promise<LiveClient> {
  const directory = await mkdtemp(join(tmpdir(), "hostile-"));
  const honest: ReplayDaemon[] = [];
  for (const kind of KINDS)
    for (const order of ORDERS)
      honest.push(
        await startDaemon({ kind, order, readers: cards, ...(kind === "2.3.3" && { slots: 48 }) }),
      );
  return new LiveClient(directory, honest);
}
