import { chmodSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { now } from "../waits.ts";

// Byte proxies between programs and attachments, which count answers that programs waited for the line to bring: a libpcsclite sends a
// request on a connection and does nothing else there until it is answered. Arguments: a directory, the line's round
// trip in ms, and sockets; the first is reached through the socket `0` in that directory, and so on. Each line of
// standard input is such a number, each line of standard output how many answers took half a round trip or more there since
// the last time.

const [directory = "", roundTripMs = "", ...targets] = process.argv.slice(2);
const waits = targets.map(() => 0);

function carry(program: Socket, target: string, index: number): void {
  const attachment = connect({ path: target, allowHalfOpen: true });
  let askedAt: number | undefined;
  program.on("data", () => {
    askedAt ??= now();
  });
  attachment.on("data", () => {
    if (askedAt !== undefined && now() - askedAt >= Number(roundTripMs) / 2)
      waits[index] = (waits[index] ?? 0) + 1;
    askedAt = undefined;
  });
  program.pipe(attachment);
  attachment.pipe(program);
  // Either end may die at any time, and takes the other with it.
  for (const [one, other] of [
    [program, attachment],
    [attachment, program],
  ] as const) {
    one.on("error", () => {});
    one.once("close", () => other.destroy());
  }
}

await Promise.all(
  targets.map(async (target, index) => {
    const server = createServer({ allowHalfOpen: true }, (client) => carry(client, target, index));
    const path = join(directory, `${index}`);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    chmodSync(path, 0o666);
  }),
);

const input = createInterface({ input: process.stdin });
input.on("close", () => process.exit(0));
input.on("line", (index) => {
  console.log(waits[Number(index)]);
  waits[Number(index)] = 0;
});
console.log("ready");
