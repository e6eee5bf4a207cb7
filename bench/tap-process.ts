import { spawn } from "node:child_process";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { type LineEvent, now } from "./waits.ts";

// Stands between ssh and the delay line, at the client's end, and notes when how many bytes passed in
// which direction. Arguments: the controller's socket, then the command line of the line itself. For
// each line from the controller it sends what it noted since the last time.

const [control = "", command = "", ...args] = process.argv.slice(2);
const line = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
let events: LineEvent[] = [];

const note = (toServer: boolean, bytes: number): void => {
  events.push({ at: now(), toServer, bytes });
};
process.stdin.on("data", (chunk: Buffer) => note(true, chunk.length));
line.stdout.on("data", (chunk: Buffer) => note(false, chunk.length));
process.stdin.pipe(line.stdin);
line.stdout.pipe(process.stdout);

const end = (): void => {
  line.kill("SIGTERM");
  process.exit(0);
};
for (const stream of [process.stdin, process.stdout, line.stdin]) stream.on("error", end);
line.once("close", end);
for (const signal of ["SIGHUP", "SIGTERM", "SIGINT"] as const) process.once(signal, end);

const controller = connect(control);
controller.on("error", end);
createInterface({ input: controller }).on("line", () => {
  controller.write(`${JSON.stringify(events)}\n`);
  events = [];
});
