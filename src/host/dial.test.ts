import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { dial } from "./dial.ts";

const signal = () => AbortSignal.timeout(10_000);

test("waits its turn when the listener's queue is full", async () => {
  const path = `\0cardwire-test-dial-${process.pid}`;
  const server = createServer((caller) => caller.on("error", () => {}).end("hello"));
  server.listen({ path, backlog: 1 });
  await once(server, "listening");
  const callers = await Promise.all(
    Array.from({ length: 50 }, () => dial(path, { signal: signal() })),
  );
  expect(callers).toHaveLength(50);
  for (const caller of callers) caller.destroy();
  server.close();
});

test("says with the system's own code why not", async () => {
  await expect(dial("/nonexistent/s", { signal: signal() })).rejects.toMatchObject({
    code: "ENOENT",
  });
});

test("an error before the caller listens for it does not end the process", async () => {
  const path = `\0cardwire-test-reset-${process.pid}`;
  const server = createServer((caller) => caller.destroy()).listen(path);
  await once(server, "listening");
  const stream: Socket = await dial(path, { signal: signal() });
  const closed = once(stream, "close");
  stream.write("x".repeat(1_000_000));
  stream.resume();
  await closed.catch(() => {}); // it may close with an error or without
  server.close();
});
