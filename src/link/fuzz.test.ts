import { expect, test } from "vitest";
import { fuzzClient, fuzzServer } from "../../test/link/fuzz.ts";

// More of them, others each time: test/long/link-fuzz.test.ts.

test("a server that is sent nonsense serves the others, and keeps nothing of it", async () => {
  const [sent, turns] = await fuzzServer(3_000, 1);
  expect(sent).toBeGreaterThanOrEqual(3_000);
  expect(turns).toBeGreaterThan(10);
});

test("a client that is sent nonsense ends or begins anew", async () => {
  expect(await fuzzClient(1_000, 1)).toBeGreaterThanOrEqual(1_000);
});
