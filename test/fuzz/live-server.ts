import { Holdings } from "../../src/cli/holdings.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { type Attached, attach } from "../faults/attached.ts";
import { campaign } from "./campaign.ts";
import { type GoodPrograms, goodPrograms } from "./good-programs.ts";
import { attack } from "./hostile-peer.ts";
import { clientInput } from "./inputs.ts";
import { type RecordingProxy, recordingProxy } from "./recording-proxy.ts";
import { type Resources, resourcesOf } from "./resources.ts";

/** Contexts that cardwire keeps in reserve, and the connection that follows the readers: ARCHITECTURE.md, "Connect". */
const AT_REST = 4 + 1;
/** How long what dead clients left may take to be cleaned up, ms: 5 s for a request in flight, and much load. */
const CLEAN_UP_MS = 60_000;

/** A real `cardwire attach`, with a recording proxy between it and a real pcscd, and programs that use it. */
export class LiveServer implements AsyncDisposable {
  readonly proxy: RecordingProxy;
  readonly attached: Attached;
  readonly good: GoodPrograms;
  readonly #end: () => Promise<void>;

  constructor(parts: Pick<LiveServer, "proxy" | "attached" | "good">, end: () => Promise<void>) {
    this.proxy = parts.proxy;
    this.attached = parts.attached;
    this.good = parts.good;
    this.#end = end;
  }

  get socket(): string {
    return this.attached.socket;
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
    if (/\bat .*:\d+:\d+\)?$/m.test(this.attached.program.output))
      throw new Error(`it crashed:\n${this.attached.program.output}`);
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
    return await resourcesOf(this.attached.program.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

export async function liveServer(): Promise<LiveServer> {
  const holdings = new Holdings();
  const end = () => holdings[Symbol.asyncDispose]();
  try {
    const pcscd = holdings.hold(await startPcscd({ cards: [{}, {}] }));
    const proxy = holdings.hold(await recordingProxy(pcscd.socketPath));
    const attached = holdings.hold(await attach([`unix:${proxy.path}`]));
    const good = holdings.hold(await goodPrograms(attached.socket, readerNames[0]));
    return new LiveServer({ proxy, attached, good }, end);
  } catch (error) {
    await end();
    throw error;
  }
}
