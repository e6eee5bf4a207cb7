import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { SshLine } from "../../carriers/ssh/line.ts";
import type { RunningMaster } from "../../carriers/ssh/master.ts";
import { CardwireError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { dial } from "../../host/dial.ts";
import { GREETING, REFUSAL } from "../../link/greeting.ts";
import { SECRET_BYTES } from "../../wire/link/layouts.ts";
import type { Way } from "../../services/remote/presence.ts";
import { readByte } from "../lines.ts";
import type { KeeperOrder, Kept } from "../order.ts";
import { Dialogue } from "./dialogue.ts";
import { type Findings, majorOf, OLDEST_NODE, run } from "./look.ts";
import { readShipment, type Shipment } from "./shipment.ts";

/** How long a keeper may take to greet at most, ms. */
const GREETING_MS = 10_000;
/** How long at least over a connection where one did before, ms, and by how much longer than it took then. */
const AGAIN_MS = 1_500;
const AGAIN_TIMES = 5;
/** How long after its sessions a connection may seem to be there, ms. */
const END_SHOWS_MS = 300;

export interface AgentOptions {
  /** The Node.js to use over there, if somebody chose one. */
  readonly remoteNode: string | undefined;
  /** What a keeper is told. @param isAgain whether one ran there before. */
  readonly order: (told: { readonly secret: string; readonly isAgain: boolean }) => KeeperOrder;
}

/** How the agent over there was started. */
export type Runner = "cardwire" | "node";

const RUNNERS: readonly Runner[] = ["cardwire", "node"];

/** Why there can be no agent, in words that follow "because". */
export class NoAgent extends Error {}

/**
 * The way to an agent at the other end of an ssh line: started there when there is none, reached through a forward, or
 * through a session of its own where sshd forbids those.
 */
export class AgentWay implements Way {
  readonly name: string;
  readonly secret = randomBytes(SECRET_BYTES);
  readonly #line: SshLine;
  readonly #options: AgentOptions;
  #keeper: Kept | undefined;
  #runner: Runner | undefined;
  #relays = false;
  /** To where that connection forwards. */
  #forwarded: { readonly master: RunningMaster; readonly socket: string } | undefined;
  /** How fast it greeted over that connection, ms. */
  #greeted: { readonly master: RunningMaster; readonly ms: number } | undefined;
  #shipment: Promise<Shipment> | undefined;

  constructor(line: SshLine, options: AgentOptions) {
    this.name = line.destination;
    this.#line = line;
    this.#options = options;
  }

  /** The keeper, if one was started. */
  get keeper(): Kept | undefined {
    return this.#keeper;
  }

  /** What runs it. */
  get runner(): Runner | undefined {
    return this.#runner;
  }

  /** Whether sshd forbids forwards, so that a session carries everything. */
  get relays(): boolean {
    return this.#relays;
  }

  /**
   * Starts an agent there, if none is known to run.
   *
   * @throws {NoAgent} when none can. @throws {CardwireError} what the agent says is wrong, such as no pcscd.
   */
  async start({ signal }: { signal: AbortSignal }): Promise<void> {
    const master = await this.#line.up(signal);
    this.#keeper ??= await this.#start(master, signal);
  }

  async open({ signal }: { signal: AbortSignal }): Promise<Duplex> {
    using either = firstSignal(signal, this.#line.closing);
    for (let isFresh = false; ; ) {
      const master = await this.#line.up(either.signal);
      try {
        if (!this.#keeper) {
          this.#keeper = await this.#start(master, either.signal);
          isFresh = true;
        }
        const stream = await this.#reach(master, this.#keeper.socket, either.signal);
        if (stream) return stream;
        // Nobody there any more: the host was restarted, or somebody ended it.
        this.#keeper = undefined;
        if (isFresh) throw new CardwireError("E_AGENT", `the agent on ${this.name} ended at once`);
      } catch (error) {
        either.signal.throwIfAborted();
        if (this.#line.master === master) throw error;
        // The line broke meanwhile: that is the reason, and it comes back.
      }
    }
  }

  /**
   * Starts a keeper by the best means that there is.
   *
   * @throws {NoAgent} when none can run there. @throws {CardwireError} what the agent says is wrong.
   */
  async #start(master: RunningMaster, signal: AbortSignal): Promise<Kept> {
    const { remoteNode } = this.#options;
    const isAgain = this.#runner !== undefined;
    const order = this.#options.order({ secret: this.secret.toString("hex"), isAgain });
    const tried: Runner[] = [];
    for (;;) {
      const dialogue = new Dialogue(master.session());
      try {
        const findings = await dialogue.look(remoteNode, { signal });
        if (!findings) {
          if (await this.#isOver(master)) throw this.#broken();
          throw new NoAgent("no shell answers there");
        }
        const runner = this.#choose(findings, tried);
        await this.#become(dialogue, runner);
        const kept = await dialogue.ask(order, { signal }).catch((error: unknown) => {
          if (!CardwireError.is(error) || error.code !== "E_PROTOCOL") throw error;
          return undefined; // a cardwire of another time, which does not know such orders
        });
        if (kept) {
          this.#runner = runner;
          return kept;
        }
        if (await this.#isOver(master)) throw this.#broken();
        tried.push(runner);
      } finally {
        await dialogue.end();
      }
    }
  }

  /** Whether that connection is why something failed: its end shows a moment later. */
  async #isOver(master: RunningMaster): Promise<boolean> {
    const soon = new AbortController();
    await Promise.race([
      master.ended,
      delay(END_SHOWS_MS, undefined, { signal: soon.signal }).catch(() => {}),
    ]);
    soon.abort();
    return this.#line.master !== master;
  }

  /** The best that was not tried in vain. @throws {NoAgent} */
  #choose(findings: Findings, tried: readonly Runner[]): Runner {
    const { remoteNode } = this.#options;
    const reasons: string[] = [];
    for (const runner of remoteNode === undefined ? RUNNERS : (["node"] as const)) {
      const problem = tried.includes(runner)
        ? `the ${runner} there starts none`
        : problemOf(runner, findings, remoteNode);
      if (problem === undefined) return runner;
      reasons.push(problem);
    }
    throw new NoAgent(reasons.join(", and "));
  }

  async #become(dialogue: Dialogue, runner: Runner): Promise<void> {
    if (runner === "cardwire") {
      dialogue.become(run.cardwire);
      return;
    }
    const { bytes, hash } = await (this.#shipment ??= readShipment());
    dialogue.become(run.node(bytes.length, hash), bytes);
  }

  /**
   * @returns a stream that the keeper has greeted; undefined when there is no keeper any more.
   * @throws {CardwireError} `E_LINE_DOWN` when nobody can tell.
   */
  async #reach(
    master: RunningMaster,
    socket: string,
    signal: AbortSignal,
  ): Promise<Duplex | undefined> {
    if (this.#relays) return await this.#relay(master, socket, signal);
    await this.#forward(master, socket);
    const before = (await master.log()).length;
    const stream = await dial(master.socketPath("f"), { signal });
    const how = await this.#greeting(stream, master, signal);
    if (how === "greeted") return stream;
    if (how === "refused" || this.#isServesSilence(how)) return undefined;
    if (!(await master.log()).slice(before).includes("open failed")) throw this.#broken();
    // sshd says the same of a forward that it forbids and of a socket that is gone: a relay tells which it is.
    const relayed = await this.#relay(master, socket, signal);
    if (relayed) this.#relays = true;
    return relayed;
  }

  async #relay(
    master: RunningMaster,
    socket: string,
    signal: AbortSignal,
  ): Promise<Duplex | undefined> {
    const dialogue = new Dialogue(master.session());
    try {
      const findings = await dialogue.look(this.#options.remoteNode, { signal });
      if (!findings || !this.#runner) throw this.#broken();
      await this.#become(dialogue, this.#runner);
      if (!(await dialogue.ask({ do: "relay", socket }, { signal }))) throw this.#broken();
      const stream = dialogue.stream();
      const how = await this.#greeting(stream, master, signal);
      if (how === "greeted") return stream;
      if (how === "refused" || this.#isServesSilence(how)) return undefined;
      throw this.#broken();
    } catch (error) {
      await dialogue.end();
      // The relay's own words: nobody listens there.
      if (CardwireError.is(error) && error.code === "E_AGENT") return undefined;
      throw error;
    }
  }

  /**
   * Waits for the keeper's greeting, and closes the stream if there is none. A connection over which one came before, and
   * now does not, carries nothing any more: it is given up, since ssh itself takes far longer to notice.
   */
  async #greeting(
    stream: Duplex,
    master: RunningMaster,
    signal: AbortSignal,
  ): Promise<"greeted" | "refused" | "late" | "broken"> {
    const before = this.#greeted?.master === master ? this.#greeted.ms : undefined;
    const limitMs = before === undefined ? GREETING_MS : Math.max(AGAIN_MS, before * AGAIN_TIMES);
    const since = performance.now();
    const late = AbortSignal.timeout(limitMs);
    using within = firstSignal(signal, late);
    const first = await readByte(stream, within).catch(() => undefined); // broken, or too slow
    if (first === GREETING) {
      this.#greeted = { master, ms: performance.now() - since };
      return "greeted";
    }
    stream.destroy();
    signal.throwIfAborted();
    if (first === REFUSAL) return "refused";
    if (late.aborted && before !== undefined) await this.#line.giveUp(master);
    return late.aborted ? "late" : "broken";
  }

  /** A `cardwire serve` may hang while everything else there is well: an agent there finds out, and does without it. */
  #isServesSilence(how: "late" | "broken"): boolean {
    return how === "late" && this.#keeper?.by === "serve";
  }

  #broken(): CardwireError {
    return new CardwireError("E_LINE_DOWN", `the line to ${this.name} broke`);
  }

  async #forward(master: RunningMaster, remoteSocket: string): Promise<void> {
    const before = this.#forwarded;
    if (before?.master === master && before.socket === remoteSocket) return;
    const localSocket = master.socketPath("f");
    if (before?.master === master) {
      await master.cancel({ listens: "here", localSocket, remoteSocket: before.socket });
      await rm(localSocket, { force: true });
    }
    await master.forward({ listens: "here", localSocket, remoteSocket });
    this.#forwarded = { master, socket: remoteSocket };
  }
}

/** Why this runner cannot run an agent there. */
function problemOf(
  runner: Runner,
  { cardwire, node }: Findings,
  remoteNode: string | undefined,
): string | undefined {
  if (runner === "cardwire") return cardwire ? undefined : "no cardwire is installed there";
  if (!node) return remoteNode ? `${remoteNode} is no Node.js there` : "no Node.js is there";
  if (majorOf(node.version) >= OLDEST_NODE) return undefined;
  return `Node.js there is ${node.version}, and ${OLDEST_NODE} is the oldest that serves`;
}
