import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { publicDirectory, stopChild, typeScript } from "../../test/lab/processes.ts";
import type { Way } from "../way.ts";

/** Watches programs at ways' sockets. */
export interface CallWatch extends AsyncDisposable {
  /** A socket in front of that of a way. */
  socket(way: Way): string;
  /** Answers that programs waited for the line to bring, since the last time. One call at a time. */
  take(way: Way): Promise<number>;
}

/**
 * Round trips as the program sees them: answers that took half of one or more. What goes over the line by itself, such as the
 * acknowledgements of the link, does not count, as it does for who looks at the line.
 */
export async function watchCalls(ways: readonly Way[], roundTripMs: number): Promise<CallWatch> {
  const directory = await publicDirectory("calls");
  const sockets = ways.map(({ socket }) => socket);
  const options = [directory, `${roundTripMs}`];
  const words = typeScript("../../bench/agent/call-watch-process.ts", ...options, ...sockets);
  const [command = "", ...args] = words;
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  return {
    socket: (way) => join(directory, `${ways.indexOf(way)}`),
    async take(way) {
      child.stdin.write(`${ways.indexOf(way)}\n`);
      const [line] = (await once(lines, "line")) as [string];
      return Number(line);
    },
    async [Symbol.asyncDispose]() {
      await stopChild(child);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
