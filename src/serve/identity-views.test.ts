import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { noAudit } from "../audit/record.ts";
import type { CardSession } from "../domain/card-service.ts";
import { deferred } from "../domain/deferred.ts";
import { Disposition, ShareMode } from "../domain/pcsc.ts";
import { Rv } from "../domain/return-codes.ts";
import { Arbiter } from "../services/arbiter/arbiter.ts";
import { Policy } from "../services/policy/policy.ts";
import type { Rules } from "../services/policy/rule.ts";
import { type FakeAnswers, fakeReader, fakeService } from "../testing/index.ts";
import { identityViews, mayRunAtOnce } from "./identity-views.ts";
import { recordDecisions, recordRepeats } from "./recorded-events.ts";

// What the parts say together: whose turn it is, and what may be done, at one card.

const NAME = "Card 00 00";
const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const PCI = { send: 2, receive: 2 };
const how = (name: string) => ({ share: ShareMode.Shared, protocols: 3, principal: { name } });
const within = () => ({ signal: AbortSignal.timeout(5_000) });
const hex = (text: string) => Buffer.from(text, "hex");
const SELECT = hex("00a4040005a000000001");
/** Only in the application that SELECT selects; elsewhere the same bytes may be anything. */
const SPECIAL = hex("80f60000");
const OK = Uint8Array.of(0x90, 0x00);
const REFUSED = Uint8Array.of(0x69, 0x85);

const whole = (value: number) => [{ value, mask: 0xff }];
const rules: Rules = {
  groups: new Map(),
  rules: [
    {
      verdict: "allow",
      aids: [{ bytes: hex("a000000001"), isPrefix: true }],
      cla: whole(0x80),
      ins: whole(0xf6),
      name: "rule 1",
    },
  ],
};

/** The parts as serve puts them together, at one card. */
async function atOneCard(answers: FakeAnswers = {}) {
  const fake = fakeService([fakeReader(NAME, { atr: ATR })], answers);
  const policy: Policy = new Policy({
    rules,
    foreignUse: () => "told",
    runsAtOnce: (reader, identity) => mayRunAtOnce(arbiter, reader, identity),
  });
  const repeats = recordRepeats(noAudit);
  const arbiter: Arbiter = new Arbiter(fake, {
    lateMs: 0,
    onEvent: recordDecisions(noAudit, repeats, () => policy),
  });
  const view = identityViews({ arbiter, policy, audit: noAudit });
  const open = async (name: string, share: number = ShareMode.Shared): Promise<CardSession> => {
    const service = view({ name }, { readers: [], profile: "look" });
    return (await service.connect(NAME, { ...how(name), share }, within())).session;
  };
  return {
    fake,
    arbiter,
    open,
    async [Symbol.asyncDispose]() {
      await repeats[Symbol.asyncDispose]();
      await arbiter[Symbol.asyncDispose]();
    },
  };
}

test("a command is judged by what it will find: the hand-over before it takes the selection away", async () => {
  await using stage = await atOneCard();
  const alice = await stage.open("alice");
  const bob = await stage.open("bob");
  await bob.transmit(SELECT, PCI);
  expect((await bob.transmit(SPECIAL, PCI)).data).not.toEqual(REFUSED);
  await bob.disconnect(0);
  // bob's application is still selected; for alice it will not be.
  expect((await alice.transmit(SPECIAL, PCI)).data).toEqual(REFUSED);
  await alice.transmit(SELECT, PCI);
  expect((await alice.transmit(SPECIAL, PCI)).data).not.toEqual(REFUSED);
});

test("a command that waits for a lease to end does not keep the lease's holder from the card", async () => {
  await using stage = await atOneCard();
  const bob = await stage.open("bob");
  await bob.transmit(SELECT, PCI);
  const lease = await stage.arbiter.lease(NAME, { identity: "alice", forMs: 60_000 }, within());
  const sent = bob.transmit(SELECT, PCI);
  const alice = await stage.open("alice");
  await alice.transmit(SELECT, PCI);
  await lease.release();
  await expect(sent).rejects.toMatchObject({ rv: Rv.ResetCard }); // alice had the card
});

test("a command that waits for a lease to end is judged when its turn has come", async () => {
  await using stage = await atOneCard();
  const bob = await stage.open("bob");
  await bob.transmit(SELECT, PCI);
  await bob.reconnect({ share: ShareMode.Shared, protocols: 3 }, Disposition.Leave);
  const lease = await stage.arbiter.lease(NAME, { identity: "alice", forMs: 60_000 }, within());
  const sent = bob.transmit(SPECIAL, PCI);
  // A program of this computer comes: the card is reset before bob's next command.
  await stage.fake.connect(NAME, how("local"), within());
  await setImmediate();
  await lease.release();
  expect((await sent).data).toEqual(REFUSED);
});

test.each([
  ["a transaction", ShareMode.Shared],
  ["exclusive access", ShareMode.Exclusive],
])(
  "what was selected is gone when %s is taken away, also where that was answered meanwhile",
  async (what, share) => {
    const answer = deferred();
    let isSlow = false;
    await using stage = await atOneCard({
      transmit: async () => {
        if (isSlow) await answer.promise;
        return OK;
      },
    });
    const bob = await stage.open("bob", share);
    await bob.transmit(hex("00b0000000"), PCI); // after the first reset
    if (what === "a transaction") await bob.begin(within());
    isSlow = true;
    const selected = bob.transmit(SELECT, PCI);
    await setImmediate();
    const kicked = stage.arbiter.kick(NAME);
    answer.resolve();
    expect((await selected).data).toEqual(OK);
    await kicked;
    const other = await stage.open("bob");
    expect((await other.transmit(SPECIAL, PCI)).data).toEqual(REFUSED);
  },
);

test("commands of one who has the card for himself are no transactions", async () => {
  await using stage = await atOneCard();
  const bob = await stage.open("bob", ShareMode.Exclusive);
  await bob.transmit(SELECT, PCI); // after the first reset
  const before = stage.fake.log.length;
  for (const command of [SELECT, SPECIAL]) await bob.transmit(command, PCI);
  expect(stage.fake.log.slice(before)).toHaveLength(2);
});

test("what is known of a card is not forgotten when somebody looks who sees other readers only", async () => {
  const other = fakeReader("Other 00 00", { atr: ATR });
  await using fake = fakeService([fakeReader(NAME, { atr: ATR }), other]);
  const policy = new Policy({
    rules: { groups: new Map(), rules: [{ verdict: "allow", serials: ["7"], name: "rule 1" }] },
  });
  const view = identityViews({ arbiter: new Arbiter(fake), policy, audit: noAudit });
  const seenBy = (name: string, readers: readonly string[]) =>
    view({ name }, { readers, profile: "look" });
  for (const reader of fake.readers) policy.tellSerial(reader, "7");
  expect(seenBy("alice", [NAME]).readers.map(({ name }) => name)).toEqual([NAME]);
  const bob = await seenBy("bob", [other.name]).connect(other.name, how("bob"), within());
  // Who only looks may not write, but for the rule.
  expect((await bob.session.transmit(hex("00db3fff"), PCI)).data).not.toEqual(REFUSED);
});
