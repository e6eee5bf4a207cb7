import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { publicDirectory, stopChild, typeScript } from "../test/lab/processes.ts";

/** Requests by the name of their command. */
export type Tally = Readonly<Record<string, number>>;

/** Sockets in front of a pcscd, each of which counts the requests that come through it. */
export class Recorder implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #directory: string;

  /** Use `startRecorder`. */
  constructor(child: ChildProcess, lines: Interface, directory: string) {
    this.#child = child;
    this.#lines = lines;
    this.#directory = directory;
  }

  /** A directory that can stand for /run/pcscd. */
  directory(name: string): string {
    return join(this.#directory, name);
  }

  socket(name: string): string {
    return join(this.#directory, name, "pcscd.comm");
  }

  /** What came through one of the sockets since the last time. One call at a time. */
  async take(name: string): Promise<Tally> {
    this.#child.stdin?.write(`${name}\n`);
    const [line] = (await once(this.#lines, "line")) as [string];
    return JSON.parse(line) as Tally;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopChild(this.#child);
  }
}

export async function startRecorder(target: string, names: readonly string[]): Promise<Recorder> {
  const directory = await publicDirectory("recorder");
  for (const name of names) await mkdir(join(directory, name));
  const words = typeScript("../../bench/recorder-process.ts", target, directory, ...names);
  const [command = "", ...args] = words;
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  return new Recorder(child, lines, directory);
}
