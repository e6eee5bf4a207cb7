import { createHash } from "node:crypto";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Pcscd } from "../lab/pcscd.ts";
import { processes } from "../lab/processes.ts";
import { type Program, type ProgramOptions, start } from "../lab/programs.ts";
import { type UserName, users } from "../lab/users.ts";

// A running `cardwire` as its users have it, programs on it, and what it may leave behind.

/** The built program. */
export const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Debian's, which has pyscard; another python3 may come first in PATH. */
const PYTHON = "/usr/bin/python3";

/** Longest that anything may take before it counts as hanging, ms. */
export const LIMIT_MS = 30_000;

/** The command line of a Python program of these tests. */
export const python = (name: string, ...args: readonly string[]): [string, string[]] => [
  PYTHON,
  [fileURLToPath(new URL(`programs/${name}.py`, import.meta.url)), ...args],
];

export const runtimeOf = (user: UserName): string => `/run/user/${users[user].uid}/cardwire`;

export interface Attached extends AsyncDisposable {
  readonly program: Program;
  readonly socket: string;
  /** Shows a program of the test where the readers are. */
  readonly env: Readonly<Record<string, string>>;
}

/** Starts `cardwire attach` as alice; resolves when it says that the socket is there. */
export async function attach(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Attached> {
  const program = start("node", [MAIN, "attach", ...args], { user: "alice", ...options });
  try {
    const line = await program.waitForLine(/PCSCLITE_CSOCK_NAME=/, { timeoutMs: LIMIT_MS });
    const socket = line.slice(line.indexOf("=") + 1);
    // Its last word at the start: it also handles signals from here on.
    await program.waitForLine(/^Ctrl-C ends/, { timeoutMs: LIMIT_MS });
    const env = { PCSCLITE_CSOCK_NAME: socket };
    return { program, socket, env, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

export interface Answer {
  /** The call's result, as PC/SC writes it: "0x80100068". */
  readonly rv: string;
  readonly ms: number;
  readonly [more: string]: unknown;
}

/** A PC/SC program that makes the calls it is told to: programs/card_program.py. */
export class CardProgram implements AsyncDisposable {
  readonly #program: Program;
  #last = 0;

  constructor(options: ProgramOptions) {
    this.#program = start(...python("card_program"), { user: "alice", ...options });
  }

  /** One PC/SC call; they are made one after the other. @throws {Error} when it takes longer than the limit. */
  async call(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    this.#last += 1;
    const id = this.#last;
    this.#program.write(`${JSON.stringify({ id, call: name, with: args })}\n`);
    const line = await this.#program.waitForLine(new RegExp(`^{"id": ${id},`), {
      timeoutMs: LIMIT_MS,
    });
    return JSON.parse(line) as Answer;
  }

  /** The same, for its code alone. */
  async rv(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return (await this.call(name, args)).rv;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

/** A program with an open handle on `reader`. */
export async function connected(
  { env }: Pick<Attached, "env">,
  reader: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<CardProgram> {
  const program = new CardProgram({ env });
  for (const [call, more] of [
    ["establish", {}],
    ["connect", { reader, ...args }],
  ] as const) {
    const { rv } = await program.call(call, more);
    if (rv !== "0x00000000") throw new Error(`${call}: ${rv}`);
  }
  return program;
}

/** What the programs of these tests print, a JSON object a line. */
export type Report = Readonly<Record<string, unknown>>;

/** The reports of a program, each parsed once: these tests ask again and again. */
export class Reports {
  readonly #program: Program;
  readonly #parsed: Report[] = [];
  #read = 0;

  constructor(program: Program) {
    this.#program = program;
  }

  /** All so far. */
  get all(): readonly Report[] {
    const { output } = this.#program;
    for (let end = output.indexOf("\n", this.#read); end >= 0; ) {
      const line = output.slice(this.#read, end);
      if (line.startsWith("{")) this.#parsed.push(JSON.parse(line) as Report);
      this.#read = end + 1;
      end = output.indexOf("\n", this.#read);
    }
    return this.#parsed;
  }
}

/** Descriptors of `pid` that are sockets. */
async function sockets(pid: number): Promise<number> {
  const folder = `/proc/${pid}/fd`;
  const targets = (await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => ""));
  return (await Promise.all(targets)).filter((target) => target.startsWith("socket:")).length;
}

/** How many sockets a pcscd has: its own, the cards', and one for each context and each program that waits. */
export const upstream = ({ pid }: Pcscd): Promise<number> => sockets(pid);

/** The ssh processes of cardwire that hold a line, of all users or one. */
export async function masters(user?: UserName): Promise<readonly number[]> {
  const found = await Promise.all(
    (await processes()).map(async ({ pid, zombie }) => {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1);
      const isTheirs = user === undefined || uid === users[user].uid;
      return !zombie && isTheirs && line.includes("\0-M\0") ? [pid] : [];
    }),
  );
  return found.flat();
}

/** All that there is below a folder, as relative paths. */
export async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.map((entry) => relative(folder, join(entry.parentPath, entry.name))).toSorted();
}

/** The files that a user's cardwire left. None is as it should be. */
export async function files(user: UserName = "alice"): Promise<readonly string[]> {
  const aside = (await filesIn("/run/tmp")).filter((path) => /(^|\/)\.?cardwire/.test(path));
  return [...(await filesIn(runtimeOf(user))), ...aside];
}

/** Numbers from 0 to 1 that are the same for the same seed. */
export function randomOf(seed: string): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    const hash = createHash("sha256").update(`${seed}:${drawn}`).digest();
    return hash.readUInt32LE(0) / 2 ** 32;
  };
}
