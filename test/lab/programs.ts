import { type ChildProcess, spawn } from "node:child_process";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { signal } from "./processes.ts";
import { watchOutput } from "./secret-watch.ts";
import { type UserName, users } from "./users.ts";

/** A program and its arguments. */
export type Argv = readonly [command: string, ...args: string[]];

/** Where programs run other than in the lab itself; see computers.ts. */
export interface Place {
  /** The words of a command line that runs what follows it there, and becomes it. */
  readonly enter: readonly string[];
}

/** What all programs of a test file are given besides: it sets that before they start. */
export const everywhere: Record<string, string> = {};

export interface ProgramOptions {
  /** Who runs it: root unless told. HOME, USER and XDG_RUNTIME_DIR are that user's. */
  readonly user?: UserName;
  /** Added to the clean environment that the program gets; nothing else of ours is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** The user's home unless told. */
  readonly cwd?: string;
  readonly on?: Place;
}

export interface StartOptions extends ProgramOptions {
  /** Is told each line of its standard output, whole. `output` does not have them then. */
  readonly onLine?: (line: string) => void;
}

export interface RunOptions extends ProgramOptions {
  /** Its whole standard input; without it, there is none. */
  readonly input?: string | Uint8Array;
  /** After so long its process group is killed, ms. 30,000 unless told. */
  readonly timeoutMs?: number;
}

/** How a program ended: with a status, or by a signal. */
export interface Exit {
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Buffer;
  /** From start to end, ms. */
  readonly ms: number;
  readonly timedOut: boolean;
}

/** PATH for programs of the tests; begins with the Node.js that runs them. */
export const PATH = `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

function launch(
  program: string,
  args: readonly string[],
  { user = "root", env = {}, cwd, on }: ProgramOptions,
): ChildProcess {
  const { name, uid, gid, home } = users[user];
  const become = ["--reuid", `${uid}`, "--regid", `${gid}`, "--init-groups", "--"];
  // Every word before the program becomes the next, so that the process id is the program's own.
  const [first = program, ...rest] = [
    ...(on ? [...on.enter, "env", "-C", cwd ?? home] : []),
    ...(uid === 0 ? [] : ["setpriv", ...become]),
    program,
    ...args,
  ];
  const child = spawn(first, rest, {
    cwd: on ? "/" : (cwd ?? home),
    // A group of its own, so that a time-out ends its children too.
    detached: true,
    env: {
      PATH,
      HOME: home,
      USER: name,
      LOGNAME: name,
      LANG: "C.UTF-8",
      TMPDIR: on ? "/tmp" : "/run/tmp",
      XDG_RUNTIME_DIR: `/run/user/${uid}`,
      ...everywhere,
      ...env,
    },
  });
  watchOutput(child, [program, ...args]);
  return child;
}

/**
 * Runs a program to its end. A status that is not 0 is an answer, not an error.
 *
 * @throws {Error} when the program cannot be started.
 */
export async function run(
  program: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Finished> {
  const started = performance.now();
  const child = launch(program, args, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
  // A program may end without reading its input; how it ended says what that means.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input ?? "");
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    if (child.pid !== undefined) signal(-child.pid, "SIGKILL");
  }, options.timeoutMs ?? 30_000);
  try {
    const exit = await ended(child);
    const bytes = Buffer.concat(out);
    return {
      ...exit,
      bytes,
      stdout: bytes.toString(),
      stderr: Buffer.concat(err).toString(),
      ms: performance.now() - started,
      timedOut,
    };
  } finally {
    clearTimeout(timer);
  }
}

/** How long after a program's end its output is read, ms, if something that it left behind still holds it. */
const LAST_OUTPUT_MS = 1_000;

function ended(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once("exit", () => {
      const enough = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, LAST_OUTPUT_MS);
      child.once("close", () => clearTimeout(enough));
    });
    child.once("error", reject);
    child.once("close", (status, by) => {
      resolve({ status: status ?? undefined, signal: by ?? undefined });
    });
  });
}

interface Waiter {
  readonly pattern: RegExp;
  readonly found: (line: string) => void;
}

/** A program that runs beside the test. Disposing ends it and its children. */
export class Program implements AsyncDisposable {
  readonly pid: number;
  /** Settles when the program has ended and its output is read. Rejects if it could not be started. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #waiters = new Set<Waiter>();
  #output = "";
  #unread = "";

  constructor(child: ChildProcess, onLine?: (line: string) => void) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.exited = ended(child);
    // The one who never asks how it ended shall not end the test run.
    this.exited.catch(() => {});
    child.stdin?.on("error", () => {});
    const read = (chunk: Buffer): void => {
      this.#output += chunk.toString();
      this.#unread += chunk.toString();
      this.#look();
    };
    if (onLine && child.stdout) createInterface({ input: child.stdout }).on("line", onLine);
    else child.stdout?.on("data", read);
    child.stderr?.on("data", read);
  }

  /** All it printed so far, standard output and standard error as they came. */
  get output(): string {
    return this.#output;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  closeInput(): void {
    this.#child.stdin?.end();
  }

  /**
   * The next line that matches, of either output; earlier lines are passed over for good. The
   * last line counts before its end is there, since prompts have none.
   *
   * @throws {Error} with all the output, after `timeoutMs` (10,000 unless told) or if the program ends.
   */
  async waitForLine(pattern: RegExp, { timeoutMs = 10_000 } = {}): Promise<string> {
    let waiter: Waiter | undefined;
    let timer: NodeJS.Timeout | undefined;
    const fail = (why: string): Error =>
      new Error(`${why} ${pattern}; the output was:\n${this.#output}`);
    try {
      return await new Promise<string>((resolve, reject) => {
        waiter = { pattern, found: resolve };
        this.#waiters.add(waiter);
        timer = setTimeout(() => reject(fail("no line in time matched")), timeoutMs);
        this.#look();
        void this.exited.then(
          () => reject(fail("it ended without a line like")),
          (error: unknown) => reject(error),
        );
      });
    } finally {
      clearTimeout(timer);
      if (waiter) this.#waiters.delete(waiter);
    }
  }

  #look(): void {
    for (const waiter of this.#waiters) {
      let from = 0;
      while (from < this.#unread.length) {
        const end = this.#unread.indexOf("\n", from);
        const next = end === -1 ? this.#unread.length : end + 1;
        const line = this.#unread.slice(from, next).replace(/\r?\n$/, "");
        from = next;
        if (!waiter.pattern.test(line)) continue;
        this.#unread = this.#unread.slice(from);
        this.#waiters.delete(waiter);
        waiter.found(line);
        break;
      }
    }
  }

  /** Sends a signal to the program alone. */
  kill(name: NodeJS.Signals): void {
    signal(this.pid, name);
  }

  /** Ends the program and its children. Resolves when it is gone. */
  async stop(): Promise<Exit> {
    if (this.pid !== 0) signal(-this.pid, "SIGTERM");
    const late = setTimeout(() => signal(-this.pid, "SIGKILL"), 3_000);
    try {
      return await this.exited;
    } finally {
      clearTimeout(late);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that could never be started is as good as ended.
    await this.stop().catch(() => {});
  }
}

/** Starts a program that runs on while the test does something else. */
export function start(
  program: string,
  args: readonly string[] = [],
  options: StartOptions = {},
): Program {
  return new Program(launch(program, args, options), options.onLine);
}
