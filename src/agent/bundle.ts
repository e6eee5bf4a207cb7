import { type ChildProcess, spawn } from "node:child_process";
import { untilSignal } from "../host/signals.ts";
import type { Role, Shipped } from "./loader.ts";
import { runAgent, runKeeper, type Stdio } from "./stdio.ts";

// Where the single file begins that is sent to other computers. It lies nowhere there: a loader hands it over.

/** Set when the file is made. */
declare const CARDWIRE_VERSION: string;

/** Plays the role that the loader was started for, and resolves when that is over. */
export async function main(shipped: Shipped): Promise<void> {
  process.title = `cardwire ${shipped.role}`;
  using ending = untilSignal();
  const stdio: Stdio = { input: process.stdin, output: process.stdout };
  const options = { version: CARDWIRE_VERSION, signal: ending.signal };
  if (shipped.role === "keeper") await runKeeper(stdio, options);
  else await runAgent(stdio, { ...options, spawnKeeper: () => spawnCopy(shipped, "keeper") });
}

/** The same file once more, in a process that outlives this one. */
function spawnCopy({ bytes, hash }: Shipped, role: Role): ChildProcess {
  const args = [...process.execArgv, `${bytes.length}`, hash, role];
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
    cwd: "/",
  });
  child.stdin.on("error", () => {}); // it ended before it read; the end is noticed
  child.stdin.write(bytes);
  return child;
}
