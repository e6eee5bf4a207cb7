import { request } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { CountingWorker, end, mustBeOnceAndInOrder, working } from "../faults/workers.ts";
import { readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { run } from "../lab/programs.ts";
import { attach, cardwire, using } from "./programs/cardwire.ts";
import { ServeStage } from "./programs/serve-stage.ts";

// One card, and two people who are let in by alice's serve: bob and carol. Neither finds what the other left in it.

/** Of the test card: verifies a PIN, and tells whether one is verified. */
const VERIFY = "8020000000";
const IS_VERIFIED = "80EA0000";

let stage: ServeStage;
beforeAll(async () => {
  stage = await ServeStage.open();
});
afterAll(async () => stage[Symbol.asyncDispose]());
const metrics = () => join(stage.lab.computer1.root, "run/user/4101/metrics");
beforeEach(async () => stage.startServe("--metrics", "/run/user/4101/metrics"));
afterEach(async () => stage.clear());

/** What the card answers to one command after the other, as `opensc-tool -s` prints it. */
async function sent(user: "bob" | "carol", socket: string, ...commands: readonly string[]) {
  const args = ["-r", "0", ...commands.flatMap((command) => ["-s", command])];
  const done = await run("opensc-tool", args, { ...stage.there(user), env: using(socket) });
  return [...done.stdout.matchAll(/SW1=0x(..), SW2=0x(..)\)(?::\n(.*))?/g)].map(
    ([, sw1, sw2, data = ""]) => `${sw1}${sw2} ${data.slice(0, 2)}`.trim(),
  );
}

/** Where programs of the test itself find it, too. */
const socketOf = (user: string): string => `/run/tmp/${user}.comm`;

test("a PIN that one verified is not verified for the next one, and each sees that he is not alone", async () => {
  await stage.joined("bob", "bob");
  await stage.joined("carol", "carol");
  await using bob = await attach(["computer1"], stage.there("bob"));
  await using carol = await attach(["computer1"], stage.there("carol"));
  const [, mine] = await sent("bob", bob.socket, VERIFY, IS_VERIFIED);
  const [theirs] = await sent("carol", carol.socket, IS_VERIFIED);
  expect(mine).not.toBe(theirs);
  expect(await sent("bob", bob.socket, IS_VERIFIED)).toEqual([theirs]);
  await until("the record", async () =>
    (await stage.recorded()).some(
      ({ event, identity }) => event === "hand-over" && identity === "carol",
    ),
  );
  const handOvers = (await stage.recorded()).filter(({ event }) => event === "hand-over");
  expect(handOvers).toContainEqual(
    expect.objectContaining({ identity: "carol", from: "bob", reader: readerNames[0] }),
  );
  const text = await new Promise<string>((resolve, reject) => {
    request({ socketPath: metrics(), path: "/metrics" }, (answer) => {
      let told = "";
      answer.on("data", (chunk: Buffer) => (told += chunk.toString()));
      answer.on("end", () => resolve(told));
    })
      .on("error", reject)
      .end();
  });
  expect(text).toMatch(/^cardwire_links 2$/m);
  expect(text).toMatch(/^cardwire_hand_over_seconds_count\{reader="[^"]*00 00"\} [23]$/m);
});

test("programs of both count at one card at once: each command once and in order, and nobody starves", async () => {
  await stage.joined("bob", "bob");
  await stage.joined("carol", "carol");
  await using bob = await attach(["computer1", "--socket", socketOf("bob")], stage.there("bob"));
  await using carol = await attach(
    ["computer1", "--socket", socketOf("carol")],
    stage.there("carol"),
  );
  const [reader] = readerNames;
  const places = [
    { user: "bob", mark: "a1", attached: bob, handle: "keep" },
    { user: "bob", mark: "b2", attached: bob, handle: "again" },
    { user: "carol", mark: "c3", attached: carol, handle: "keep" },
    { user: "carol", mark: "d4", attached: carol, handle: "again" },
  ] as const;
  const workers = places.map(
    ({ user, mark, attached, handle }) =>
      new CountingWorker(using(attached.socket), { reader, mark, handle }, user),
  );
  try {
    for (let round = 0; round < 10; round += 1) await working(workers);
    await end(workers);
    mustBeOnceAndInOrder(await stage.pcscd.cards[0].log(), workers);
    // What a program may be told of another's turn is that the card was reset, and nothing else.
    const codes = workers.flatMap(({ summary }) => summary.codes);
    expect(codes.filter((code) => !code.endsWith("0x80100068"))).toEqual([]);
  } finally {
    for (const worker of workers) await worker[Symbol.asyncDispose]();
  }
}, 120_000);

test("who may only look is refused, and that is on the record without what he sent", async () => {
  await stage.joined("bob", "bob", "--profile", "look");
  const pin = "0020008008313233343536FFFF";
  const done = await cardwire(
    ["run", "computer1", "--", "opensc-tool", "-r", "0", "-s", pin],
    stage.there("bob"),
  );
  expect(done.stdout).toContain("(SW1=0x69, SW2=0x85)");
  await until("the record", async () =>
    (await stage.recorded()).some(({ event }) => event === "refused"),
  );
  expect((await stage.recorded()).find(({ event }) => event === "refused")).toMatchObject({
    identity: "bob",
    reader: readerNames[0],
    header: "00200080",
    call: "SCardTransmit",
  });
  const text = JSON.stringify(await stage.recorded()) + stage.serve.output;
  expect(text).not.toMatch(/313233343536|123456/);
  await using bob = await attach(["computer1"], stage.there("bob"));
  expect(await sent("bob", bob.socket, IS_VERIFIED)).toEqual(["6985"]);
});
