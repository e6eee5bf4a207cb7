#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { CommanderError } from "@commander-js/extra-typings";
import { CardwireError } from "../domain/errors.ts";
import { ExitCode, type Io } from "./io.ts";
import { program } from "./program.ts";
import { withReaders } from "./with-readers.ts";

const io: Io = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  env: process.env,
};

/** Everything behind the first `--` belongs to the program that `run` runs. */
function splitAtDashes(argv: readonly string[]): [own: readonly string[], rest: readonly string[]] {
  const at = argv.indexOf("--");
  return at < 0 ? [argv, []] : [argv.slice(0, at), argv.slice(at + 1)];
}

const exitCodes: Readonly<Record<string, number>> = {
  E_USAGE: ExitCode.WrongUsage,
  E_WHERE: ExitCode.WrongUsage,
  E_NOT_FOUND: ExitCode.NotFound,
  E_CANNOT_RUN: ExitCode.CannotRun,
};

function explain(error: unknown, { verbose }: { verbose: boolean }): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ExitCode.WrongUsage;
  const message = error instanceof Error ? error.message : String(error);
  io.err(`cardwire: ${message}`);
  if (CardwireError.is(error) && error.hint) io.err(`hint: ${error.hint}`);
  if (verbose && error instanceof Error) io.err(error.stack ?? "");
  return CardwireError.is(error) ? (exitCodes[error.code] ?? ExitCode.Failed) : ExitCode.Failed;
}

async function main(): Promise<number | NodeJS.Signals> {
  const [own, rest] = splitAtDashes(process.argv.slice(2));
  const { version } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  ) as { version: string };
  let exit: number | NodeJS.Signals = ExitCode.Good;
  const setExit = (status: number | NodeJS.Signals) => {
    exit = status;
  };
  try {
    const top = program(io, { version, rest, setExit, withReaders: withReaders(io) });
    await top.parseAsync(own, { from: "user" });
    return exit;
  } catch (error) {
    return explain(error, { verbose: own.some((word) => ["-v", "--verbose"].includes(word)) });
  }
}

// A terminal that was closed, or a reader that has seen enough, is no reason to leave anything undone.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

const exit = await main();
if (typeof exit === "number") process.exitCode = exit;
else process.kill(process.pid, exit); // as the program ended, so do we: a shell tells the difference
