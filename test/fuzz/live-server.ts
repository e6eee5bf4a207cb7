import { chmod, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { unixCarrier } from "../../src/carriers/unix.ts";
import { Holdings } from "../../src/domain/holdings.ts";
import { PcscliteServer } from "../../src/fronts/pcsclite/server.ts";
import { pcscdService } from "../../src/services/pcscd/service.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory, until } from "../lab/processes.ts";
import { attach } from "../faults/attached.ts";
import { campaign, tell } from "./campaign.ts";
import { type GoodPrograms, goodPrograms } from "./good-programs.ts";
import { attack } from "./hostile-peer.ts";
import { clientInput } from "./inputs.ts";
import { type RecordingProxy, recordingProxy } from "./recording-proxy.ts";
import { heapInUse, type Resources, resourcesOf } from "./resources.ts";

/** Contexts that cardwire keeps in reserve, and the connection that follows the readers: ARCHITECTURE.md, "Connect". */
const AT_REST = 4 + 1;
/** How often, and how far apart, ms, what a process has is looked at. */
const LOOKS = 10;
const LOOK_MS = 50;
/** Hostile clients at once; pcscd has 200 connections, some of which linger for 5 s. */
const AT_ONCE = 24;
/**
 * What memory may differ between the middle round and the last, MiB: of a process of its own, whose garbage is not all
 * collected and whose heap grows in steps of some 16 MiB, and of what is left after a collection.
 */
const MOST_GROWTH = { attached: 32, inProcess: 4 } as const;
/** How long what dead clients left may take to be cleaned up, ms: 5 s for a request in flight, and much load. */
const CLEAN_UP_MS = 60_000;

interface Parts {
  readonly socket: string;
  readonly proxy: RecordingProxy;
  readonly good: GoodPrograms;
  readonly resources: () => Promise<Resources>;
  /** What its memory may grow by once all is warm, MiB. */
  readonly mostGrowth: number;
  /** What the server complained of. */
  readonly output: () => string;
}

/** cardwire serving hostile clients, with a recording proxy between it and a real pcscd, and programs that work on. */
export class LiveServer implements AsyncDisposable {
  readonly socket: string;
  readonly proxy: RecordingProxy;
  readonly good: GoodPrograms;
  readonly #parts: Parts;
  readonly #end: () => Promise<void>;

  constructor(parts: Parts, end: () => Promise<void>) {
    this.socket = parts.socket;
    this.proxy = parts.proxy;
    this.good = parts.good;
    this.#parts = parts;
    this.#end = end;
  }

  /** What the serving process has now. */
  async resources(): Promise<Resources> {
    return await this.#parts.resources();
  }

  /** Sends inputs from seed `from` on. @returns how many. */
  async fuzz({
    count,
    from,
    atOnce,
  }: {
    count: number;
    from: number;
    atOnce: number;
  }): Promise<number> {
    return await campaign({
      name: "a live server",
      count,
      from,
      atOnce,
      make: clientInput,
      judge: async (input) => {
        const outcome = await attack(this.socket, input);
        this.check();
        return outcome;
      },
      withBytes: (input, bytes) => ({ ...input, bytes }),
    });
  }

  /** @throws {Error} when anything that must not happen has happened. */
  check(): void {
    const { violations } = this.proxy;
    if (violations.length > 0)
      throw new Error(`reached pcscd: ${violations.slice(0, 3).join("; ")}`);
    const { problems } = this.good;
    if (problems.length > 0)
      throw new Error(`good programs saw: ${problems.slice(0, 3).join("; ")}`);
    const output = this.#parts.output();
    if (/\bat .*:\d+:\d+\)?$/m.test(output)) throw new Error(`it crashed:\n${output}`);
  }

  /**
   * The same in rounds. What the process has must level off: the last round may add only what the middle one might.
   *
   * @throws {Error} when it goes on growing, or descriptors are left.
   */
  async fuzzInRounds({
    count,
    rounds,
    from,
  }: {
    count: number;
    rounds: number;
    from: number;
  }): Promise<number> {
    const first = await this.settled();
    const after: Resources[] = [];
    let inputs = 0;
    for (let round = 0; round < rounds; round++) {
      const each = Math.ceil(count / rounds);
      inputs += await this.fuzz({ count: each, from: from + round * each, atOnce: AT_ONCE });
      after.push(await this.settled());
    }
    const [middle = first, last = first] = [after[(rounds - 1) >> 1], after.at(-1)];
    const told = [first, ...after].map(({ memory }) => Math.round(memory)).join(", ");
    tell(
      `memory ${told} MiB, descriptors ${first.descriptors} to ${last.descriptors}, at most ${this.proxy.most} connections to pcscd, ${this.good.rounds} good rounds`,
    );
    if (last.memory > middle.memory + this.#parts.mostGrowth)
      throw new Error(`memory grows: ${told} MiB`);
    if (last.descriptors > first.descriptors + AT_REST)
      throw new Error(`descriptors grow from ${first.descriptors} to ${last.descriptors}`);
    return inputs;
  }

  /** Waits until nothing is left of the hostile clients. @returns what the process has then. */
  async settled(): Promise<Resources> {
    await until(
      "pcscd to be rid of the hostile clients",
      () => {
        const { connections, contexts, handles } = this.proxy.open;
        return handles === 1 && contexts <= 1 + 4 && connections <= 1 + AT_REST;
      },
      CLEAN_UP_MS,
    ).catch((cause: unknown) => {
      const { open, histories } = this.proxy;
      throw new Error(`left at pcscd: ${JSON.stringify(open)}\n${histories.join("\n")}`, { cause });
    });
    this.check();
    // The good programs come and go, each with a few sockets: what is there all the time counts.
    let least = await this.#parts.resources();
    for (let look = 1; look < LOOKS; look++) {
      await delay(LOOK_MS);
      const now = await this.#parts.resources();
      if (now.descriptors < least.descriptors) least = now;
    }
    return least;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

type Serve = (upstream: string, holdings: Holdings) => Promise<Omit<Parts, "proxy" | "good">>;

/** A `cardwire attach` of its own, as its users have it. */
const attached: Serve = async (upstream, holdings) => {
  const { program, socket } = holdings.hold(await attach([`unix:${upstream}`]));
  const resources = () => resourcesOf(program.pid);
  const mostGrowth = MOST_GROWTH.attached;
  return { socket, resources, mostGrowth, output: () => program.output };
};

/** The library's PcscliteServer in this process, whose memory can be told without its garbage. */
const inProcess: Serve = async (upstream, holdings) => {
  const carrier = holdings.hold(unixCarrier(upstream));
  const options = { pipelining: true, rememberFeatures: true, keepWarm: false };
  const service = holdings.hold(
    await pcscdService(carrier, options, { signal: AbortSignal.timeout(CLEAN_UP_MS) }),
  );
  const directory = await publicDirectory("fuzzed");
  holdings.hold({ [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) });
  const socket = join(directory, "pcscd.comm");
  const server = createServer();
  holdings.hold({ [Symbol.asyncDispose]: async () => void server.close() });
  holdings.hold(new PcscliteServer(server, service));
  await new Promise<void>((resolve) => {
    server.listen(socket, resolve);
  });
  await chmod(socket, 0o666);
  const resources = async () => ({ ...(await resourcesOf(process.pid)), memory: heapInUse() });
  return { socket, resources, mostGrowth: MOST_GROWTH.inProcess, output: () => "" };
};

export async function liveServer(where: "attached" | "in process"): Promise<LiveServer> {
  const holdings = new Holdings();
  const end = () => holdings[Symbol.asyncDispose]();
  try {
    const pcscd = holdings.hold(await startPcscd({ cards: [{}, {}] }));
    const proxy = holdings.hold(await recordingProxy(pcscd.socketPath));
    const served = await (where === "attached" ? attached : inProcess)(proxy.path, holdings);
    const good = holdings.hold(await goodPrograms(served.socket, readerNames[0]));
    return new LiveServer({ ...served, proxy, good }, end);
  } catch (error) {
    await end();
    throw error;
  }
}
