import { chmodSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { RequestCounter } from "./request-counter.ts";

// A byte proxy in front of a pcscd that counts the requests which pass. Arguments: pcscd's socket, a
// directory, and names; for each name a directory with a socket in it, whose requests are counted
// apart. Each line of standard input is a name, each line of standard output what passed there since
// the last time. A process of its own: it must not wait while the one who measures is busy.

const [target = "", directory = "", ...names] = process.argv.slice(2);
const counted = new Map(names.map((name) => [name, new Map<string, number>()]));

function carry(client: Socket, name: string): void {
  const daemon = connect({ path: target, allowHalfOpen: true });
  const counter = new RequestCounter((command) => {
    const counts = counted.get(name);
    counts?.set(command, (counts.get(command) ?? 0) + 1);
  });
  client.on("data", (chunk: Buffer) => counter.push(chunk));
  client.pipe(daemon);
  daemon.pipe(client);
  // Either end may die at any time, and takes the other with it.
  for (const [one, other] of [
    [client, daemon],
    [daemon, client],
  ] as const) {
    one.on("error", () => {});
    one.once("close", () => other.destroy());
  }
}

await Promise.all(
  names.map(async (name) => {
    const server = createServer({ allowHalfOpen: true }, (client) => carry(client, name));
    const path = join(directory, name, "pcscd.comm");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    chmodSync(path, 0o666);
  }),
);

const input = createInterface({ input: process.stdin });
input.on("close", () => process.exit(0));
input.on("line", (name) => {
  console.log(JSON.stringify(Object.fromEntries(counted.get(name) ?? [])));
  counted.get(name)?.clear();
});
console.log("{}");
