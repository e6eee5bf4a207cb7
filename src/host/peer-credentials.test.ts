import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { dial } from "./dial.ts";
import { peerCredentials, processName } from "./peer-credentials.ts";

test("the kernel says who listens at the other end", async () => {
  const path = `\0cardwire-test-${process.pid}`;
  const server = createServer((caller) => caller.destroy()).listen(path);
  await once(server, "listening");
  const socket = await dial(path, { signal: AbortSignal.timeout(5_000) });
  const { pid } = process;
  expect(peerCredentials(socket)).toEqual({
    pid,
    uid: process.getuid?.(),
    gid: process.getgid?.(),
  });
  socket.destroy();
  expect(peerCredentials(socket)).toBeUndefined();
  server.close();
});

test("a process' name is two words at most, and never an option", async () => {
  expect(await processName(process.pid)).toMatch(/^node( [^ ]+)?/);
  expect(await processName(2 ** 30)).toBeUndefined();
});
