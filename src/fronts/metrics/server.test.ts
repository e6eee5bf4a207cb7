import { once } from "node:events";
import { mkdtemp, rename, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Metrics, OPEN_METRICS } from "../../observe/metrics.ts";
import { serveMetrics } from "./server.ts";

const metrics = new Metrics();
metrics.counter("cardwire_things", "Things.").add();

test("metrics are told on a port, and nothing else is", async () => {
  await using server = await serveMetrics(metrics, { host: "127.0.0.1", port: 0 });
  const at = `http://127.0.0.1:${server.port}`;
  const answer = await fetch(`${at}/metrics`);
  expect(answer.headers.get("content-type")).toBe(OPEN_METRICS);
  expect(await answer.text()).toContain("cardwire_things_total 1");
  const others = [fetch(`${at}/`), fetch(`${at}/metrics`, { method: "POST", body: "x" })];
  expect((await Promise.all(others)).map(({ status }) => status)).toEqual([404, 404]);
  await expect(
    serveMetrics(metrics, { host: "127.0.0.1", port: server.port ?? 0 }),
  ).rejects.toThrow(`metrics cannot be offered at 127.0.0.1:${server.port}`);
});

test("and at a Unix socket of its user's alone, also where another was killed", async () => {
  const directory = await mkdtemp(join(tmpdir(), "cardwire-metrics-"));
  try {
    const path = join(directory, "metrics");
    // Somebody was killed there.
    const killed = createServer().listen(join(directory, "old"));
    await once(killed, "listening");
    await rename(join(directory, "old"), path);
    killed.close();
    await using _server = await serveMetrics(metrics, { path });
    const status = await new Promise((resolve, reject) => {
      request({ socketPath: path, path: "/metrics" }, (answer) => resolve(answer.statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(200);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(serveMetrics(metrics, { path })).rejects.toMatchObject({
      code: "E_SOCKET_IN_USE",
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});
