import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { firstSignal } from "../../domain/first-signal.ts";
import { readLine } from "../lines.ts";
import { isAnswer, type Kept, type Order, orderLine, parseAnswer } from "../order.ts";
import { type Findings, isEnd, isFound, lookScript, parseFindings } from "./look.ts";

/** How long the shell over there may take to say what it found, ms, and then an agent to start. */
const LOOK_MS = 15_000;
const AGENT_MS = 40_000;

/** What a shell may say in all before that, characters, login shells' greetings among it, and how many lines of ours. */
const MAX_LOOK = 1 << 20;
const MAX_FOUND = 8;

/** How long a session may take to end by itself, ms. */
const END_MS = 2_000;

/** A session at the other end of ssh: a shell that becomes an agent. Whoever began it ends it. */
export class Dialogue {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#ended = once(child, "close").catch(() => {}); // it could not be started: that is an end, too
    child.on("error", () => {}); // "close" follows
    child.stdin.on("error", () => {}); // it ended without reading
    child.stderr.resume(); // what shells complain of is not for us
  }

  /** Finds out what could run an agent there. @returns undefined where no shell answers. */
  async look(
    remoteNode: string | undefined,
    { signal }: { signal: AbortSignal },
  ): Promise<Findings | undefined> {
    this.#child.stdin.write(lookScript(remoteNode));
    const lines: string[] = [];
    const isOver = await this.#within(LOOK_MS, signal, async (within) => {
      for (let said = 0; said <= MAX_LOOK && lines.length <= MAX_FOUND; ) {
        const line = await readLine(this.#child.stdout, within);
        if (line === undefined || isEnd(line)) return line !== undefined;
        said += line.length + 1;
        if (isFound(line)) lines.push(line);
      }
      return false; // that is no shell
    });
    return isOver ? parseFindings(lines) : undefined;
  }

  /** The shell becomes an agent. @param bytes what follows that line in its input. */
  become(what: string, bytes: Uint8Array = new Uint8Array()): void {
    this.#child.stdin.write(what);
    if (bytes.length > 0) this.#child.stdin.write(bytes);
  }

  /**
   * Gives the agent its order. @returns undefined when it ends without an answer, or takes too long.
   *
   * @throws {CardwireError} what went wrong over there.
   */
  async ask(order: Order, { signal }: { signal: AbortSignal }): Promise<Kept | undefined> {
    this.#child.stdin.write(orderLine(order));
    const line = await this.#within(AGENT_MS, signal, async (within) => {
      for (;;) {
        const said = await readLine(this.#child.stdout, within);
        if (said === undefined || isAnswer(said)) return said;
      }
    });
    return line === undefined ? undefined : parseAnswer(line);
  }

  /** What is said from here on, as a stream. Destroying it ends the session. */
  stream(): Duplex {
    const { stdin, stdout } = this.#child;
    const duplex = Duplex.from({ readable: stdout, writable: stdin });
    duplex.on("error", () => {}); // "close" follows
    duplex.once("close", () => this.#child.kill("SIGKILL"));
    return duplex;
  }

  /** Ends the session: it is given some time, since the other end may be slow. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    this.#child.stdout.resume();
    const limit = new AbortController();
    const late = delay(END_MS, undefined, { signal: limit.signal }).then(
      () => this.#child.kill("SIGKILL"),
      () => {},
    );
    await this.#ended;
    limit.abort();
    await late;
  }

  /** @returns undefined when it takes too long, or the stream breaks. @throws the signal's reason. */
  async #within<T>(
    limitMs: number,
    signal: AbortSignal,
    job: (within: { signal: AbortSignal }) => Promise<T>,
  ): Promise<T | undefined> {
    using within = firstSignal(signal, AbortSignal.timeout(limitMs));
    try {
      return await job(within);
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }
}
