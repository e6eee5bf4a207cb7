import { expect, test } from "vitest";
import { type LinkedOptions, linkTo } from "../../../test/link/linked.ts";
import type { LeaseError, LeasePlace } from "../../domain/leasing.ts";
import { Disposition } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { FEATURES } from "../../link/versions.ts";
import { arbitratedLeasing } from "../../serve/leasing.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";
import { Arbiter } from "../arbiter/arbiter.ts";
import { lentReaders } from "../lent-readers.ts";
import { Policy } from "../policy/policy.ts";

const NAME = "Card 00 00";
const HIDDEN = "Hidden 00 00";
const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const MINUTE = 60_000;
const SELECT = Uint8Array.of(0x00, 0xa4, 0x04, 0x00);
const PCI = { send: 2, receive: 2 };
const soon = () => ({ signal: AbortSignal.timeout(20_000) });
const refusedAs = (why: LeaseError["why"]) => expect.objectContaining({ code: "E_LEASE", why });

/** An arbiter, and a link of the identity "test" to it that does not see one of its readers. */
async function scene(options: LinkedOptions = {}) {
  const fake = fakeService([fakeReader(NAME, { atr: ATR }), fakeReader(HIDDEN, { atr: ATR })]);
  const arbiter = new Arbiter(fake);
  const view = lentReaders(arbiter, (name) => name !== HIDDEN);
  const leasing = arbitratedLeasing(arbiter)({ name: "test" }, view);
  const linked = await linkTo(view, { features: FEATURES, leasing, ...options });
  const connect = async (name: string) => {
    const how = { share: 2, protocols: 3, principal: { name } };
    return (await arbiter.connect(NAME, how, soon())).session;
  };
  return {
    arbiter,
    linked,
    connect,
    lease: (wish: { forMs?: number; wait?: boolean; onPlace?: (place: LeasePlace) => void } = {}) =>
      linked.remote.lease(NAME, { forMs: MINUTE, wait: false, ...wish }, soon()),
    holder: () => arbiter.attendance(NAME).lease?.identity,
    async [Symbol.asyncDispose]() {
      await linked[Symbol.asyncDispose]();
      await arbiter[Symbol.asyncDispose]();
    },
  };
}

test("a lease is granted, renewed and released, and its number is the arbiter's", async () => {
  await using stage = await scene();
  const lease = await stage.lease();
  expect(lease.fence).toBe(stage.arbiter.attendance(NAME).lease?.fence);
  expect(stage.holder()).toBe("test");
  const before = lease.expiresAt;
  await lease.renew(2 * MINUTE);
  expect(lease.expiresAt - before).toBeGreaterThan(MINUTE / 2);
  await lease.release();
  expect(stage.holder()).toBeUndefined();
  expect(lease.ended.reason).toEqual(refusedAs("over"));
  await expect(lease.renew(MINUTE)).rejects.toEqual(refusedAs("over"));
  await lease.release();
});

test("who waits is told where he stands, and has it when it is his turn", async () => {
  await using stage = await scene();
  const [first, second] = [await stage.connect("bob"), await stage.connect("carol")];
  await first.begin(soon());
  const behind = second.begin(soon());
  const places: LeasePlace[] = [];
  const waiting = stage.lease({ wait: true, onPlace: (place) => places.push(place) });
  await expect.poll(() => places).toEqual([{ ahead: 1, holder: "bob" }]);
  await first.end(Disposition.Leave);
  await expect.poll(() => places.at(-1)).toEqual({ ahead: 0, holder: "carol" });
  await behind;
  await second.end(Disposition.Leave);
  await (await waiting).release();
});

test("who does not wait is told who has it, and one who gives up leaves the queue", async () => {
  await using stage = await scene();
  const bob = await stage.connect("bob");
  await bob.begin(soon());
  await expect(stage.lease()).rejects.toThrow("Card 00 00 is not free: bob has it");
  const stop = new AbortController();
  const wish = { forMs: MINUTE, wait: true };
  const waiting = stage.linked.remote.lease(NAME, wish, stop);
  await expect.poll(() => stage.arbiter.attendance(NAME).waiting).toHaveLength(1);
  await expect(stage.lease({ wait: true })).rejects.toThrow("test waits for a lease of Card 00 00");
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect.poll(() => stage.arbiter.attendance(NAME).waiting).toEqual([]);
});

test("nobody has one for longer than a day, however it is asked for", async () => {
  const DAY = 86_400_000;
  await using stage = await scene();
  const lease = await stage.lease({ forMs: 1e15 });
  expect(lease.expiresAt - Date.now()).toBeLessThanOrEqual(DAY);
  await lease.renew(1e15);
  expect(lease.expiresAt - Date.now()).toBeLessThanOrEqual(DAY);
  await lease.renew(0); // which becomes a second
  expect(lease.ended.aborted).toBe(false);
});

test("it ends when its reader is not shown to its holder any more, not when that is unplugged", async () => {
  const policy = new Policy();
  const fake = fakeService([fakeReader(NAME, { atr: ATR })]);
  await using arbiter = new Arbiter(fake);
  const grant = { principal: { name: "alice" }, readers: ["*"], profile: "use" } as const;
  const view = policy.view(arbiter, grant);
  const leasing = arbitratedLeasing(arbiter)(grant.principal, view);
  await using lease = await leasing.lease(NAME, { forMs: MINUTE, wait: false }, soon());
  const { ended } = lease;
  fake.unplug(NAME);
  expect(view.readers).toEqual([]);
  await lease.renew(MINUTE);
  fake.plug(fakeReader(NAME, { atr: ATR }));
  await expect.poll(() => view.readers).toHaveLength(1);
  expect(ended.aborted).toBe(false);
  const rule = { name: "rule 1", verdict: "deny", identities: ["alice"] } as const;
  policy.update({ rules: [rule], groups: new Map() });
  await expect.poll(() => ended.aborted).toBe(true);
  expect(ended.reason).toMatchObject({
    message: `the lease of ${NAME} is over: its holder may not use the reader any more`,
  });
});

test("it ends with its time, or when an administrator ends it, and its holder hears of it", async () => {
  await using stage = await scene();
  const short = await stage.lease({ forMs: 1 }); // which becomes a second
  await expect.poll(() => short.ended.aborted, { timeout: 5_000 }).toBe(true);
  expect(short.ended.reason).toMatchObject({
    message: "the lease of Card 00 00 is over: its time is over",
  });
  const lease = await stage.lease();
  expect(await stage.arbiter.kick(NAME)).toBe("test");
  await expect.poll(() => lease.ended.aborted).toBe(true);
  expect(String(lease.ended.reason)).toContain("an administrator ended it");
});

test("it goes on through a break, and a renewal that was under way as well", async () => {
  await using stage = await scene();
  const lease = await stage.lease();
  stage.linked.isOpen = false;
  stage.linked.cut();
  const renewed = lease.renew(2 * MINUTE);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(stage.holder()).toBe("test");
  stage.linked.isOpen = true;
  await renewed;
  expect(stage.linked.remote.figures.resumptions).toBe(1);
  expect(lease.ended.aborted).toBe(false);
});

test("it ends with the session of the link", async () => {
  await using stage = await scene({ patience: { graceMs: 150, lockMs: 50 } });
  const bob = await stage.connect("bob");
  const lease = await stage.lease();
  const sent = bob.transmit(SELECT, PCI);
  stage.linked.isOpen = false;
  stage.linked.cut();
  await sent;
  expect(stage.holder()).toBeUndefined();
  await expect.poll(() => lease.ended.aborted).toBe(true);
  expect(String(lease.ended.reason)).toContain("the link was lost");
});

test("programs that were connected under it are told when it is over", async () => {
  await using stage = await scene();
  const lease = await stage.lease();
  const how = { share: 2, protocols: 3, principal: { name: "test" } };
  const { session } = await stage.linked.remote.connect(NAME, how, soon());
  await session.transmit(SELECT, PCI);
  await lease.release();
  await expect(session.transmit(SELECT, PCI)).rejects.toMatchObject({ rv: Rv.ResetCard });
});

test("there is none for a reader that is not seen, nor where none are given, nor at an older cardwire", async () => {
  await using stage = await scene();
  const wish = { forMs: MINUTE, wait: true };
  const hidden = stage.linked.remote.lease(HIDDEN, wish, soon());
  await expect(hidden).rejects.toEqual(refusedAs("unknown"));
  await using fake = fakeService([fakeReader(NAME, { atr: ATR })]);
  await using plain = await linkTo(fake, { features: FEATURES });
  await expect(plain.remote.lease(NAME, wish, soon())).rejects.toEqual(
    expect.objectContaining({
      why: "not-offered",
      message: "not offered: the card host runs no serve",
    }),
  );
  await using older = await linkTo(fake);
  await expect(older.remote.lease(NAME, wish, soon())).rejects.toEqual(
    expect.objectContaining({ why: "not-offered", message: expect.stringContaining("older") }),
  );
});

test("one of an identity that has it already is refused", async () => {
  await using stage = await scene();
  await using _lease = await stage.lease();
  await expect(stage.lease()).rejects.toThrow("test has a lease of Card 00 00 already");
});
