import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { LOOPBACK_UP } from "../../scripts/namespaces.ts";
import { typeScript } from "./processes.ts";
import type { Counters } from "./vpcd.ts";

/** Which card lies in a slot. Without `module`, the test card of card.ts. */
export interface CardSpec {
  /** Lies in the reader from the start; true unless told. */
  readonly inserted?: boolean;
  /** The test card's answer to reset, hex; see `atrs`. */
  readonly atr?: string;
  /** A file or URL whose `export` ("createCard" unless told) makes a VirtualCard out of `options`. */
  readonly module?: string;
  readonly export?: string;
  readonly options?: unknown;
}

/** One request to card-process.ts. */
export interface CardCall {
  readonly id: number;
  readonly slot: number;
  readonly call: "insert" | "pull" | "atr" | "report";
  readonly atr?: string;
}

/** What a card went through. `counted` and `log` are the test card's; another may report more. */
export interface CardReport extends Counters {
  readonly counted: number;
  /** The data of every E8 command, hex, in the order of execution. */
  readonly log: readonly string[];
  readonly [more: string]: unknown;
}

/** Starts card-process.ts in a network namespace of its own: what listens at vpcd's ports there has these cards. */
export function startCards(specs: readonly CardSpec[]): ChildProcess {
  const [command = "", ...args] = [
    ..."unshare --net -- /bin/sh -ec".split(" "),
    `${LOOPBACK_UP}\nexec "$@"`,
    "cards",
    ...typeScript("card-process.ts", JSON.stringify(specs)),
  ];
  return spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
}

/** The process of card-process.ts, from outside. */
export class CardProcess {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting = new Map<
    number,
    { resolve: (report: CardReport) => void; reject: (why: Error) => void }
  >();
  #ready = false;
  #last = 0;

  constructor(child: ChildProcess) {
    if (!child.stdout || !child.stdin) throw new TypeError("the card process needs its pipes");
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.on("line", (line) => this.#read(line));
    child.stdin.on("error", () => {});
    child.once("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the card process ended"));
    });
  }

  /** @throws {Error} if the process ends first. */
  async ready(): Promise<void> {
    while (!this.#ready) {
      this.#mustLive();
      await Promise.race([once(this.#lines, "line"), once(this.#child, "exit")]);
    }
  }

  async ask(
    slot: number,
    call: CardCall["call"],
    more: { atr?: string } = {},
  ): Promise<CardReport> {
    this.#mustLive();
    const id = ++this.#last;
    const request: CardCall = { id, slot, call, ...more };
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
  }

  #mustLive(): void {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return;
    throw new Error(`the card process ended (${signalCode ?? exitCode})`);
  }

  #read(line: string): void {
    const message = JSON.parse(line) as { id?: number; report?: CardReport; error?: string };
    if (message.id === undefined) {
      this.#ready = true;
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.report) waiting?.resolve(message.report);
    else waiting?.reject(new Error(message.error));
  }
}

/** A software card and the reader that it lies in, or not. */
export class CardHandle {
  readonly #process: CardProcess;
  readonly #slot: number;
  readonly #seen: (present: boolean) => Promise<void>;

  /** `seen` resolves when pcscd has noticed. */
  constructor(process: CardProcess, slot: number, seen: (present: boolean) => Promise<void>) {
    this.#process = process;
    this.#slot = slot;
    this.#seen = seen;
  }

  /** Resolves when pcscd lists the card, or with `wait: false` (or while pcscd is stopped) at once. */
  async insert({ wait = true } = {}): Promise<void> {
    await this.#process.ask(this.#slot, "insert");
    if (wait) await this.#seen(true);
  }

  /** Takes the card out. Resolves when pcscd has noticed, or with `wait: false` at once. */
  async pull({ wait = true } = {}): Promise<void> {
    await this.#process.ask(this.#slot, "pull");
    if (wait) await this.#seen(false);
  }

  /** The ATR from the next power-on or insertion on, hex. */
  async setAtr(atr: string): Promise<void> {
    await this.#process.ask(this.#slot, "atr", { atr });
  }

  async counters(): Promise<CardReport> {
    return await this.#process.ask(this.#slot, "report");
  }

  /** The data of every E8 command so far, hex, in the order of execution. */
  async log(): Promise<readonly string[]> {
    return (await this.counters()).log;
  }
}
