import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CardHandle, CardSpec } from "../lab/card-handle.ts";
import { readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import type { TracedPivCard } from "../lab/traced-piv-card.ts";
import { PcscClient, SUCCESS } from "../pcsc/client.ts";
import { attach } from "./programs/cardwire.ts";
import { ServeStage } from "./programs/serve-stage.ts";

// Two cards that differ in nothing but their serial numbers, and rules that name these. alice's serve has to ask the
// cards, and may do so only while nobody has anything in them.

const [ONE, OTHER] = readerNames;
const REFUSED = "0x8010006a";
const SELECT_PIV = "00a4040009a0000003080000100000";
const GET_SERIAL = "00f8000000";
const VERIFY = "0020008008313233343536ffff";
/** A PIN is verified: without data VERIFY only asks. */
const IS_VERIFIED = "00200080";

/** What serve sends on its own account to a card that has neither of YubiKeys' own applications, and the end of it. */
const ASKING = [
  "00a4040008a00000052747111700",
  "00a4040007a000000527200100",
  SELECT_PIV,
  GET_SERIAL,
  "reset",
];

/** bob may use cards with these numbers, and no others. */
const onlyFor = (...serials: readonly string[]): string => `
  [[serve.rule]]
  verdict = "allow"
  identities = "bob"
  serial = ${JSON.stringify(serials)}
  [[serve.rule]]
  verdict = "deny"
  identities = "bob"
`;

const card = (options: TracedPivCard): CardSpec => ({
  module: new URL("../lab/traced-piv-card.ts", import.meta.url).href,
  options,
});

async function openStage(first: TracedPivCard, second: TracedPivCard): Promise<ServeStage> {
  return await ServeStage.open([], [card(first), card(second)]);
}

async function rules(stage: ServeStage, text: string): Promise<void> {
  const home = join(stage.lab.computer1.root, "run/home/alice/.config/cardwire");
  await mkdir(home, { recursive: true });
  await writeFile(join(home, "config.toml"), text);
}

const traceOf = async (one: CardHandle): Promise<readonly string[]> =>
  (await one.counters())["trace"] as readonly string[];

/** What came to the card but power: how often pcscd gives and takes that is its own affair. */
const sentTo = async (one: CardHandle): Promise<readonly string[]> =>
  (await traceOf(one)).filter((what) => what !== "on" && what !== "off");

const asked = async (one: CardHandle): Promise<number> =>
  (await sentTo(one)).filter((what) => what === GET_SERIAL).length;

/** bob's program. */
async function bobs(stage: ServeStage) {
  const attached = await attach(["computer1"], stage.there("bob"));
  const client = new PcscClient(attached.socket, stage.there("bob"));
  await client.must("establish", { context: "b" });
  const open = async (reader: string) =>
    (await client.call("connect", { context: "b", card: reader, reader })).rv;
  const say = async (reader: string, apdu: string) =>
    (await client.must("transmit", { card: reader, apdu }))["answer"];
  return {
    client,
    open,
    say,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await attached[Symbol.asyncDispose]();
    },
  };
}

describe("a card whose number a rule names", () => {
  let stage: ServeStage;
  beforeEach(async () => {
    stage = await openStage({ serial: 11_111_111 }, { serial: 22_222_222 });
  });
  afterEach(async () => stage[Symbol.asyncDispose]());

  test("is asked before anybody gets at it, and reset; the rule tells it from another of its kind", async () => {
    await rules(stage, onlyFor("11111111"));
    await stage.startServe();
    await stage.joined("bob", "bob");
    await using bob = await bobs(stage);
    expect((await bob.client.must("list", { context: "b" }))["readers"]).toEqual([ONE, OTHER]);
    expect(await bob.open(ONE)).toBe(SUCCESS);
    expect(await bob.open(OTHER)).toBe(REFUSED);
    expect(await bob.say(ONE, SELECT_PIV)).toMatch(/9000$/);
    // serve found the cards there, and nobody knows what was in them.
    expect(await sentTo(stage.pcscd.cards[0])).toEqual(["reset", ...ASKING, SELECT_PIV]);
    expect(await sentTo(stage.pcscd.cards[1])).toEqual(["reset", ...ASKING]);
    await stage.untilRecorded("refused", ({ reader }) => reader === OTHER);
    const record = await stage.recorded();
    const told = { event: "serial", from: "PIV with GET SERIAL" };
    for (const [reader, serial] of [
      [ONE, "11111111"],
      [OTHER, "22222222"],
    ])
      expect(record).toContainEqual(expect.objectContaining({ ...told, reader, serial }));
    const why = "the card: denied by rule 2";
    expect(record).toContainEqual(
      expect.objectContaining({ event: "refused", identity: "bob", reader: OTHER, why }),
    );
    // Another card, as far as anybody knows.
    await stage.pcscd.cards[1].pull();
    await stage.pcscd.cards[1].insert();
    expect(await bob.open(OTHER)).toBe(REFUSED);
    expect(await sentTo(stage.pcscd.cards[1])).toEqual(["reset", ...ASKING, ...ASKING]);
    // Nobody saw what became of the cards while there was no pcscd; bob's program goes on all the same.
    await stage.pcscd.stop();
    await stage.pcscd.start();
    await until("both to be asked again", async () =>
      (await Promise.all(stage.pcscd.cards.map(asked))).every((times, slot) => times === slot + 2),
    );
    await bob.client.must("reconnect", { card: ONE });
    expect(await bob.say(ONE, SELECT_PIV)).toMatch(/9000$/);
    await rules(stage, onlyFor("22222222"));
    await until("the other card to be his", async () => (await bob.open(OTHER)) === SUCCESS);
  });

  test("is not asked while somebody has something in it, and what is unknown is not his", async () => {
    await stage.startServe();
    await stage.joined("bob", "bob");
    await using bob = await bobs(stage);
    expect(await bob.open(ONE)).toBe(SUCCESS);
    await bob.say(ONE, SELECT_PIV);
    expect(await bob.say(ONE, VERIFY)).toMatch(/9000$/);
    await rules(stage, onlyFor("11111111"));
    await stage.untilRecorded("serial", ({ reader, why }) => reader === ONE && why !== undefined);
    expect(await bob.say(ONE, IS_VERIFIED)).toMatch(/6985$/);
    expect(await asked(stage.pcscd.cards[0])).toBe(0);
    await bob.client.must("disconnect", { card: ONE });
    await until("the card to be asked", async () => (await asked(stage.pcscd.cards[0])) === 1);
    expect(await bob.open(ONE)).toBe(SUCCESS);
    await bob.say(ONE, SELECT_PIV);
    // The asking took the PIN away.
    expect(await bob.say(ONE, IS_VERIFIED)).toMatch(/63c3$/);
  });

  test("is not asked while a program of the card host has a handle, and that is on the record", async () => {
    await using local = new PcscClient(stage.pcscd.socketPath);
    await local.must("establish", { context: "l" });
    await local.must("connect", { context: "l", card: "l", reader: ONE });
    await local.must("transmit", { card: "l", apdu: SELECT_PIV });
    await local.must("transmit", { card: "l", apdu: VERIFY });
    await rules(stage, onlyFor("11111111"));
    await stage.startServe();
    await stage.joined("bob", "bob");
    await using bob = await bobs(stage);
    expect(await bob.open(ONE)).toBe(REFUSED);
    expect(await local.must("transmit", { card: "l", apdu: IS_VERIFIED })).toMatchObject({
      answer: "9000",
    });
    expect(await asked(stage.pcscd.cards[0])).toBe(0);
    await stage.untilRecorded("refused", ({ reader }) => reader === ONE);
    const record = await stage.recorded();
    expect(record).toContainEqual(
      expect.objectContaining({ event: "serial", reader: ONE, why: "somebody uses the card" }),
    );
    expect(record).toContainEqual(
      expect.objectContaining({
        event: "refused",
        identity: "bob",
        why: "the card, whose serial number is not known: denied by rule 2",
      }),
    );
    await local.must("disconnect", { card: "l" });
    await until("the card to be his", async () => (await bob.open(ONE)) === SUCCESS);
    expect(await asked(stage.pcscd.cards[0])).toBe(1);
  });
});

test("a card that hangs has no number, keeps nobody from another one, and is asked again when it comes again", async () => {
  await using stage = await openStage({ serial: 11_111_111, hangsMs: 9_000 }, { serial: 2 });
  await rules(stage, onlyFor("11111111", "2"));
  await stage.startServe();
  await stage.joined("bob", "bob");
  await using bob = await bobs(stage);
  await using local = new PcscClient(stage.pcscd.socketPath);
  await local.must("establish", { context: "l" });
  // A program of the card host waits, as for any other's transaction, and is not turned away.
  const waited = local.call("connect", { context: "l", card: "l", reader: ONE });
  expect(await bob.open(OTHER)).toBe(SUCCESS);
  expect(await bob.open(ONE)).toBe(REFUSED);
  await stage.untilRecorded("serial", ({ why }) => why === "it was not told within 5000 ms");
  expect((await waited).rv).toBe(SUCCESS);
  await local.must("disconnect", { card: "l" });
  await stage.pcscd.cards[0].pull();
  await stage.pcscd.cards[0].insert();
  await until("the card to be his", async () => (await bob.open(ONE)) === SUCCESS);
});
