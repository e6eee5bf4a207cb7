import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { CardHandle } from "../../lab/card-handle.ts";
import { processes } from "../../lab/processes.ts";
import {
  type Finished,
  type Program,
  type ProgramOptions,
  type RunOptions,
  run,
  start,
} from "../../lab/programs.ts";
import { users } from "../../lab/users.ts";

/** The program as it is built. */
export const MAIN = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));

/** Where alice's run-time files are. */
export const RUNTIME = `/run/user/${users.alice.uid}/cardwire`;

/** How long a program may take for its next line, ms, on a computer that has much else to do. */
export const PATIENCE_MS = 30_000;

/** Runs `cardwire ARGS` to its end, as alice unless told. */
export const cardwire = (args: readonly string[], options: RunOptions = {}): Promise<Finished> =>
  run("node", [MAIN, ...args], { user: "alice", timeoutMs: 45_000, ...options });

/** A `cardwire attach` that runs beside the test. */
export interface Attached extends AsyncDisposable {
  readonly socket: string;
  readonly program: Program;
}

/**
 * Starts `cardwire attach ARGS`, as alice and the one built here unless told, and resolves when programs can use it.
 * Disposing ends it as Ctrl-C does.
 */
export function attach(
  args: readonly string[],
  { bin, ...options }: ProgramOptions & { readonly bin?: string } = {},
): Promise<Attached> {
  const argv = [...(bin === undefined ? [MAIN] : []), "attach", ...args];
  return whenReady(start(bin ?? "node", argv, { user: "alice", ...options }));
}

/**
 * Starts `cardwire share ARGS` as alice unless told, and resolves when programs over there can use its socket. Disposing
 * ends it as Ctrl-C does.
 */
export const share = (args: readonly string[], options: ProgramOptions = {}): Promise<Attached> =>
  whenReady(start("node", [MAIN, "share", ...args], { user: "alice", ...options }));

async function whenReady(program: Program): Promise<Attached> {
  try {
    await program.waitForLine(/^Ctrl-C ends/, { timeoutMs: PATIENCE_MS });
    const [, socket] = /export PCSCLITE_CSOCK_NAME=(\S+)/.exec(program.output) ?? [];
    if (socket === undefined) throw new Error(`no export line in:\n${program.output}`);
    return {
      socket,
      program,
      async [Symbol.asyncDispose]() {
        program.kill("SIGINT");
        await program.exited;
      },
    };
  } catch (error) {
    await program.stop();
    throw error;
  }
}

/** The environment in which programs use the readers behind a socket. */
export const using = (socket: string) => ({ PCSCLITE_CSOCK_NAME: socket });

/** Runs a program of this folder that asks for the card to be pulled and inserted, to its line "done". Gives all it printed. */
export async function converse(
  argv: readonly [string, ...string[]],
  { card, ...options }: ProgramOptions & { readonly card: CardHandle },
): Promise<string> {
  const [command, ...args] = argv;
  await using program = start(command, args, { user: "alice", ...options });
  for (;;) {
    const line = await program.waitForLine(/^> (pull|insert)$|^done$/, { timeoutMs: PATIENCE_MS });
    if (line === "done") break;
    // The program itself is to notice; waiting here would make it miss the moment.
    if (line === "> pull") await card.pull({ wait: false });
    else await card.insert({ wait: false });
    program.write("\n");
  }
  program.closeInput();
  const { status, signal } = await program.exited;
  if (status !== 0) throw new Error(`it ended with ${status ?? signal}:\n${program.output}`);
  return program.output;
}

/** A file of this folder. */
export const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Command lines of ssh masters that somebody made for a cardwire. */
export async function sshMasters(): Promise<readonly string[]> {
  const found = await Promise.all(
    (await processes()).map(async ({ pid, zombie }) => {
      const line = zombie ? "" : await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return line.includes("\0-M\0") ? [line.replaceAll("\0", " ")] : [];
    }),
  );
  return found.flat();
}

/** What is left in a run-time directory: nothing, if all is well. */
export const leftIn = (directory: string): Promise<readonly string[]> =>
  readdir(directory).catch(() => []);
