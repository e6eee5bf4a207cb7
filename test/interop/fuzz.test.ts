import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { minimise } from "../fuzz/campaign.ts";
import { judgeSlowWriter } from "../fuzz/decoders.ts";
import { besideHostileHost } from "../fuzz/hostile-host.ts";
import { liveClient } from "../fuzz/live-client.ts";
import { type LiveServer, liveServer } from "../fuzz/live-server.ts";
import { fuzzReplies, fuzzRequests, fuzzTexts } from "../fuzz/pure.ts";
import { cancelStorm, connectStorm, neverRead, slowWriter, useOfOthers } from "../fuzz/storms.ts";

// A small share of test/long/fuzz.test.ts, and what needs no numbers.

describe("decoders and parsers", () => {
  test("requests", async () => {
    await fuzzRequests({ count: 1_500, from: 1 });
  });

  test("replies", async () => {
    await fuzzReplies({ count: 600, from: 1 });
  });

  test("texts of others", async () => {
    await fuzzTexts({ count: 400, from: 1 });
  });

  test("one byte at a time costs no more work than all at once", () => {
    judgeSlowWriter();
  });

  test("a failing input becomes as small as it can", async () => {
    const fails = async (bytes: Buffer) => bytes.includes(0x13) && bytes.length >= 3;
    const smallest = await minimise(Buffer.from("aabb13ccddeeff", "hex"), fails);
    expect(smallest.length).toBe(3);
    expect(smallest.toString("hex").replaceAll("00", "")).toBe("13");
  });
});

describe("a live server, with a real pcscd behind a recording proxy", () => {
  let live: LiveServer;
  beforeAll(async () => {
    live = await liveServer("attached");
  });
  afterAll(async () => {
    await live[Symbol.asyncDispose]();
  });

  test("one client cannot use what is another's", async () => {
    await useOfOthers(live.socket);
    live.check();
  });

  test("a client that writes byte by byte is served", async () => {
    await slowWriter(live.socket);
    live.check();
  });

  test("hostile clients, while others work", async () => {
    await live.fuzzInRounds({ count: 500, rounds: 1, from: 1 });
  });

  test("storms of connects and cancels, and clients that never read", async () => {
    await connectStorm(live.socket, { count: 300 });
    await cancelStorm(live.socket, { count: 200, seed: 1 });
    const before = await live.resources();
    await neverRead(live.socket, { peers: 8, requests: 10_000 }, async () => {
      // Each may leave 1 MiB and one answer unread.
      expect((await live.resources()).memory).toBeLessThan(before.memory + 100);
    });
    await live.settled();
  });
});

test("a live client, on daemons that misbehave", async () => {
  await using live = await liveClient();
  await live.fuzz({ count: 80, from: 1, atOnce: 8 });
});

test("a good card host beside one that misbehaves", async () => {
  await besideHostileHost({ seed: 1, count: 40, limitMs: 8_000 });
});
