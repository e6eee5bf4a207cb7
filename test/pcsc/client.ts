import { fileURLToPath } from "node:url";
import { type Program, type ProgramOptions, start } from "../lab/programs.ts";
import type { Suite } from "../lab/suites.ts";

// A PC/SC program of any Debian suite and architecture, that makes the calls it is told to: program.py.

/** Whose Python, and so whose libpcsclite. */
export type Programs = Pick<Suite, "program">;

/** What this computer has installed itself. Another python3 than Debian's may come first in PATH. */
export const here: Programs = {
  program: (program, args = []) => [program === "python3" ? "/usr/bin/python3" : program, ...args],
};

export const SUCCESS = "0x00000000";

/** The outcome of one call. What else there is depends on the call. */
export interface Outcome {
  /** The return code as PC/SC writes it: "0x80100068". */
  readonly rv: string;
  /** How long it took, ms. */
  readonly ms: number;
  readonly [more: string]: unknown;
}

/** Arguments of a call by name, as program.py has them. */
export type Arguments = Readonly<Record<string, unknown>>;

/** Longest that a call may take before it counts as hanging, ms; qemu is slow to start. */
const LIMIT_MS = 60_000;
/** PC/SC's INFINITE. */
const INFINITE = 0xffff_ffff;

/** Bytecode would be written where root runs the tests; the buffers of a pipe would hold the answers back. */
const PYTHON = ["-B", "-u"];

export interface PcscClientOptions extends ProgramOptions {
  /** Whose programs; this computer's unless told. */
  readonly programs?: Programs;
}

interface Waiting {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (why: Error) => void;
}

/** One process, with as many contexts and cards as are wanted. Each goes by a name. */
export class PcscClient implements AsyncDisposable {
  readonly #program: Program;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #ended = false;

  /** @param socket where the readers are. */
  constructor(socket: string, { programs = here, env = {}, ...options }: PcscClientOptions = {}) {
    const script = fileURLToPath(new URL("program.py", import.meta.url));
    const [command, ...args] = programs.program("python3", [...PYTHON, script]);
    this.#program = start(command, args, {
      user: "alice",
      env: { PCSCLITE_CSOCK_NAME: socket, ...env },
      onLine: (line) => this.#answered(line),
      ...options,
    });
    void this.#program.exited.then(
      () => this.#end(),
      () => this.#end(),
    );
  }

  /** Of the program, which is a process of its own. */
  get pid(): number {
    return this.#program.pid;
  }

  /** What it complained of. */
  get output(): string {
    return this.#program.output;
  }

  /**
   * Makes one call: `call("connect", { context: "a", card: "c", reader })`. Those on one context are made one after
   * the other, those on several at once.
   *
   * @throws {Error} when it takes a minute longer than the `timeout` that it may have, or the program ends.
   */
  async call(name: string, args: Arguments = {}): Promise<Outcome> {
    this.#last += 1;
    const id = this.#last;
    let timer: NodeJS.Timeout | undefined;
    const fail = (why: string): Error =>
      new Error(`${name} ${JSON.stringify(args)}: ${why}; ${this.#program.output}`);
    try {
      return await new Promise<Outcome>((resolve, reject) => {
        if (this.#ended) reject(fail("the program has ended"));
        this.#waiting.set(id, { resolve, reject: (why) => reject(fail(why.message)) });
        const waitsMs = Number(args["timeout"] ?? INFINITE);
        const limitMs = LIMIT_MS + (waitsMs < INFINITE ? waitsMs : 0);
        timer = setTimeout(() => reject(fail("no answer")), limitMs);
        this.#program.write(`${JSON.stringify({ id, call: name, with: args })}\n`);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** The same, for a call that has to succeed. @throws {Error} when it does not. */
  async must(name: string, args: Arguments = {}): Promise<Outcome> {
    const outcome = await this.call(name, args);
    if (outcome.rv === SUCCESS) return outcome;
    throw new Error(`${name} ${JSON.stringify(args)}: ${outcome.rv}`);
  }

  /** Kills the program in the middle of whatever it does. Resolves when it is gone. */
  async die(): Promise<void> {
    this.#program.kill("SIGKILL");
    await this.#program.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  #answered(line: string): void {
    const { id, ...outcome } = JSON.parse(line) as Outcome & { readonly id: number };
    this.#waiting.get(id)?.resolve(outcome);
  }

  #end(): void {
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(new Error("the program ended"));
  }
}
