import { expect, test } from "vitest";
import { isWhole, tell } from "../fuzz/campaign.ts";
import { besideHostileHost } from "../fuzz/hostile-host.ts";
import { liveClient } from "../fuzz/live-client.ts";
import { liveServer } from "../fuzz/live-server.ts";
import { fuzzReplies, fuzzRequests, fuzzTexts } from "../fuzz/pure.ts";
import { cancelStorm, connectStorm, neverRead, slowWriter, useOfOthers } from "../fuzz/storms.ts";

/** How many inputs of each kind, from which seed on. The short test has the seeds from 1 on. */
const PLAN = {
  requests: 90_000,
  replies: 60_000,
  texts: 12_000,
  attached: 32_000,
  inProcess: 8_000,
  client: 6_000,
  beside: 1_000,
} as const;
const FIRST_SEED = 100_001;
const LEAST = 200_000;
const LIMIT_MS = 1_200_000;

let inputs = 0;
const from = FIRST_SEED;

test("requests", { timeout: LIMIT_MS }, async () => {
  inputs += await fuzzRequests({ count: PLAN.requests, from });
});

test("replies", { timeout: LIMIT_MS }, async () => {
  inputs += await fuzzReplies({ count: PLAN.replies, from });
});

test("texts of others", { timeout: LIMIT_MS }, async () => {
  inputs += await fuzzTexts({ count: PLAN.texts, from });
});

test("a live server of its own process", { timeout: LIMIT_MS }, async () => {
  await using live = await liveServer("attached");
  await useOfOthers(live.socket);
  await slowWriter(live.socket);
  inputs += await live.fuzzInRounds({ count: PLAN.attached, rounds: 8, from });
  await connectStorm(live.socket, { count: 5_000 });
  await cancelStorm(live.socket, { count: 5_000, seed: from });
  const before = await live.settled();
  await neverRead(live.socket, { peers: 40, requests: 10_000 }, async () => {
    // Each may leave 1 MiB and one answer unread, and has as much of its own requests waiting.
    expect((await live.resources()).memory).toBeLessThan(before.memory + 40 * 4);
  });
  await live.settled();
  expect(live.proxy.violations).toEqual([]);
});

test("a live server of the library", { timeout: LIMIT_MS }, async () => {
  await using live = await liveServer("in process");
  inputs += await live.fuzzInRounds({
    count: PLAN.inProcess,
    rounds: 6,
    from: from + PLAN.attached,
  });
  expect(live.proxy.violations).toEqual([]);
});

test("a live client", { timeout: LIMIT_MS }, async () => {
  await using live = await liveClient();
  inputs += await live.fuzz({ count: PLAN.client, from, atOnce: 12 });
});

test("a good card host beside one that misbehaves", { timeout: LIMIT_MS }, async () => {
  inputs += await besideHostileHost({ seed: from, count: PLAN.beside, limitMs: 300_000 });
});

test("were so many", () => {
  tell(`${inputs} inputs`);
  expect(inputs).toBeGreaterThanOrEqual(isWhole ? LEAST : 1);
});
