#!/usr/bin/env node
import { closeSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { isatty } from "node:tty";
import { CommanderError } from "@commander-js/extra-typings";
import { CardwireError } from "../domain/errors.ts";
import { COMPLETE } from "./completion/scripts.ts";
import { type Exit, ExitCode, exitStatus, type Io } from "./io.ts";
import { watchOutput } from "./output.ts";
import { program } from "./program.ts";
import { printableLines } from "./report.ts";
import { withReaders } from "./with-readers.ts";

const io: Io = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  env: process.env,
  isTerminal: { out: isatty(1), err: isatty(2) },
};

/** Everything behind the first `--` of these belongs to the command that they run; commander would mix it with their own. */
const RUNNING_OTHERS: readonly (string | undefined)[] = ["run", "lease", "service"];

function splitAtDashes(argv: readonly string[]): [own: readonly string[], rest: readonly string[]] {
  const at = RUNNING_OTHERS.includes(argv[0]) ? argv.indexOf("--") : -1;
  return at < 0 ? [argv, []] : [argv.slice(0, at), argv.slice(at + 1)];
}

function explain(error: unknown, { verbose }: { verbose: boolean }): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ExitCode.WrongUsage;
  const message = error instanceof Error ? error.message : String(error);
  // Some words of it may be another computer's.
  const tell = (text: string) => io.err(printableLines(text));
  tell(`cardwire: ${message}`);
  if (CardwireError.is(error) && error.hint) tell(`hint: ${error.hint}`);
  if (verbose && error instanceof Error) tell(error.stack ?? "");
  return CardwireError.is(error) ? exitStatus(error.code) : ExitCode.Failed;
}

async function main(): Promise<number | NodeJS.Signals> {
  const [own, rest] = splitAtDashes(process.argv.slice(2));
  const { version } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  ) as { version: string };
  let exit: number | NodeJS.Signals = ExitCode.Good;
  const setExit: Exit = (how) => {
    exit = how;
  };
  try {
    const top = program(io, { version, rest, setExit, withReaders: withReaders(io, setExit) });
    if (own[0] === COMPLETE) {
      const { complete } = await import("./completion/complete.ts");
      await complete(own.slice(1), { io, top });
    } else await top.parseAsync(own, { from: "user" });
    return exit;
  } catch (error) {
    return explain(error, { verbose: own.some((word) => ["-v", "--verbose"].includes(word)) });
  }
}

const isOutputLost = watchOutput(process.stdout, process.stderr);

// Node.js puts the terminal's modes back at its end, and aborts if the terminal is gone by then; what is closed it
// lets alone.
const terminals = [0, 1, 2].filter((fd) => isatty(fd));
process.once("exit", () => {
  if (isOutputLost()) process.exitCode ||= ExitCode.Failed; // the last line of it is known to be lost only now
  for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
});

const exit = await main();
if (typeof exit === "number") process.exitCode = exit;
else {
  process.exitCode = 128 + constants.signals[exit]; // what a shell makes of it, for those that Node.js ignores
  process.kill(process.pid, exit); // as the program ended, so do we: a shell tells the difference
}
