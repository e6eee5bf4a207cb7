import { describe, expect, test, vi } from "vitest";
import type { CardSession, ConnectOptions } from "../../domain/card-service.ts";
import { deferred } from "../../domain/deferred.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { cardServiceContract } from "../../testing/card-service-contract.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";
import type { FakeAnswers } from "../../testing/fake-session.ts";
import { Arbiter, type ArbiterOptions } from "./arbiter.ts";
import type { ArbiterEvent } from "./events.ts";
import type { HandOverPolicy } from "./hand-over.ts";

const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const NAME = "Card 00 00";
const PCI = { send: 2, receive: 2 };
const SELECT = Uint8Array.of(0x00, 0xa4, 0x04, 0x00);
const SHARED = { share: ShareMode.Shared, protocols: 3 };
const within = () => ({ signal: AbortSignal.timeout(5_000) });

function scene(options: ArbiterOptions = {}, answers: FakeAnswers = {}) {
  const events: ArbiterEvent[] = [];
  const fake = fakeService([fakeReader(NAME, { atr: ATR })], answers);
  const arbiter = new Arbiter(fake, { onEvent: (event) => events.push(event), ...options });
  const connect = async (
    name: string,
    how: Pick<ConnectOptions, "share" | "protocols"> = SHARED,
  ): Promise<CardSession> => {
    const { session } = await arbiter.connect(NAME, { ...how, principal: { name } }, within());
    return session;
  };
  const resets = () => events.filter(({ type }) => type === "hand-over").length;
  return {
    fake,
    arbiter,
    connect,
    events,
    resets,
    [Symbol.asyncDispose]: () => arbiter[Symbol.asyncDispose](),
  };
}

const refused = (rv: number) => expect.objectContaining({ rv });

describe("keeps the contract of a service", () => {
  cardServiceContract(test, async () => {
    const fake = fakeService([
      fakeReader(NAME, { atr: ATR, eventCounter: 3 }),
      fakeReader("Empty 00 01"),
    ]);
    // The contract's cases are about one identity, and a first reset would be news to it.
    const service = new Arbiter(fake, { policy: () => "shared" });
    return {
      service,
      attribute: 0x90303,
      queues: true,
      pull: async () => fake.pull(NAME),
      insert: async () => fake.insert(NAME, ATR),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  });
});

describe("turns", () => {
  test("a card that was pulled takes exclusive access with it: a reconnect as shared holds nothing", async () => {
    await using stage = scene({ policy: () => "shared" });
    const alice = await stage.connect("alice", { ...SHARED, share: ShareMode.Exclusive });
    stage.fake.pull(NAME);
    stage.fake.insert(NAME, ATR);
    await expect(alice.status()).rejects.toThrow(refused(Rv.RemovedCard));
    await alice.reconnect(SHARED, Disposition.Leave);
    expect(stage.arbiter.attendance(NAME).holder).toBeUndefined();
    await (await stage.connect("bob")).transmit(SELECT, PCI);
  });

  test("more calls than one may have waiting are refused, and others' are not", async () => {
    await using stage = scene({ limits: () => ({ waiting: 2 }), policy: () => "shared" });
    const [alice, mallory] = [await stage.connect("alice"), await stage.connect("mallory")];
    await alice.begin(within());
    const waiting = [mallory.transmit(SELECT, PCI), mallory.transmit(SELECT, PCI)];
    for (let n = 0; n < 3; n += 1)
      await expect(mallory.transmit(SELECT, PCI)).rejects.toEqual(refused(Rv.ServerTooBusy));
    const bob = stage.connect("bob");
    const why = "2 of his calls wait";
    const about = { type: "refused", what: "wait", reader: NAME, identity: "mallory", why };
    expect(stage.events).toEqual([about, about, about]);
    await alice.end(Disposition.Leave);
    await expect(bob).resolves.toBeDefined();
    await Promise.all(waiting);
  });

  test("how many calls may wait is each identity's own, and may change", async () => {
    const waiting: Record<string, number> = { mallory: 1, bob: 2 };
    const limits = (name: string) => ({ waiting: waiting[name] ?? 9 });
    await using stage = scene({ limits, policy: () => "shared" });
    const [alice, bob, mallory] = [
      await stage.connect("alice"),
      await stage.connect("bob"),
      await stage.connect("mallory"),
    ];
    await alice.begin(within());
    const kept = [
      mallory.transmit(SELECT, PCI),
      bob.transmit(SELECT, PCI),
      bob.transmit(SELECT, PCI),
    ];
    await expect(mallory.transmit(SELECT, PCI)).rejects.toEqual(refused(Rv.ServerTooBusy));
    waiting["mallory"] = 2;
    kept.push(mallory.transmit(SELECT, PCI));
    await expect(mallory.transmit(SELECT, PCI)).rejects.toEqual(refused(Rv.ServerTooBusy));
    await alice.end(Disposition.Leave);
    await Promise.all(kept);
  });

  test("transactions and single commands are served in order of arrival", async () => {
    await using stage = scene();
    const sessions = await Promise.all(["a", "b", "c", "d"].map((name) => stage.connect(name)));
    const [first, ...others] = sessions;
    await first?.begin(within());
    const order: number[] = [];
    const done = others.map(async (session, at) => {
      if (at === 1) await session.transmit(SELECT, PCI);
      else await session.begin(within());
      order.push(at);
      if (at !== 1) await session.end(Disposition.Leave);
    });
    expect(stage.arbiter.attendance(NAME).waiting.map(({ identity }) => identity)).toEqual([
      "b",
      "c",
      "d",
    ]);
    await first?.end(Disposition.Leave);
    await Promise.all(done);
    expect(order).toEqual([0, 1, 2]);
  });

  test("a transaction whose program died lasts until the card has answered its last command", async () => {
    const answered = deferred();
    let isSlow = true;
    const transmit = async () => {
      if (isSlow) await answered.promise;
      return Uint8Array.of(0x90, 0x00);
    };
    await using stage = scene({}, { transmit });
    const [alice, bob] = [await stage.connect("alice"), await stage.connect("bob")];
    await alice.begin(within());
    const last = alice.transmit(SELECT, PCI);
    await expect.poll(() => stage.fake.log.at(-1)).toContain("transmit");
    isSlow = false;
    const next = bob.transmit(SELECT, PCI);
    const dead = alice.abandon();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stage.fake.log.at(-1)).toBe("abandon");
    expect(stage.arbiter.attendance(NAME).holder).toBe("alice");
    answered.resolve();
    await Promise.all([last, dead, next]);
    expect(stage.arbiter.attendance(NAME).holder).toBeUndefined();
  });

  test("one who gives up leaves the queue, and one who dies as well", async () => {
    await using stage = scene();
    const [holder, impatient, dying] = await Promise.all(
      ["a", "b", "c"].map((name) => stage.connect(name)),
    );
    await holder?.begin(within());
    const stop = new AbortController();
    const begun = impatient?.begin({ signal: stop.signal });
    const sent = dying?.transmit(SELECT, PCI);
    stop.abort(new Error("enough"));
    await expect(begun).rejects.toThrow("enough");
    await dying?.abandon();
    await expect(sent).rejects.toThrow(refused(Rv.Cancelled));
    expect(stage.arbiter.attendance(NAME).waiting).toEqual([]);
    await holder?.end(Disposition.Leave);
    await impatient?.begin(within());
  });

  test("a connect that waits too long is told so", async () => {
    await using stage = scene({ limits: () => ({ connectMs: 20 }) });
    const holder = await stage.connect("a");
    await holder.begin(within());
    await expect(stage.connect("b")).rejects.toThrow(refused(Rv.SharingViolation));
  });

  test("a card that goes away ends the transaction on it", async () => {
    await using stage = scene();
    const [holder, next] = await Promise.all([stage.connect("a"), stage.connect("b")]);
    await holder.begin(within());
    stage.fake.pull(NAME);
    stage.fake.insert(NAME, ATR);
    await expect.poll(() => stage.arbiter.attendance(NAME).holder).toBeUndefined();
    await expect(next.begin(within())).rejects.toThrow(refused(Rv.RemovedCard));
    await next.reconnect(SHARED, Disposition.Leave);
    await next.begin(within());
    await expect(holder.end(Disposition.Leave)).rejects.toThrow(refused(Rv.SharingViolation));
    await next.transmit(SELECT, PCI);
  });
});

describe("hand-over", () => {
  test("the card is reset between two identities, under the lock, and not between turns of one", async () => {
    await using stage = scene();
    const [alice, bob] = await Promise.all([stage.connect("alice"), stage.connect("bob")]);
    const turn = async (session: CardSession) => {
      await session.begin(within());
      await session.transmit(SELECT, PCI);
      await session.end(Disposition.Leave);
    };
    await turn(alice); // what was before is not known
    expect(stage.resets()).toBe(1);
    await turn(alice);
    expect(stage.resets()).toBe(1);
    await turn(bob);
    expect(stage.resets()).toBe(2);
    const log = stage.fake.log.filter((call) => !call.startsWith("connect"));
    // The second level of the lock is there to tell whether the card was: see races.test.ts.
    const handOver = ["begin", "begin", "reconnect 1", "end 0"];
    expect(log.slice(-6)).toEqual([...handOver, "transmit 00a40400", "end 0"]);
  });

  test("whoever has sent something is told of it once; after a reconnect no number of others' turns matters", async () => {
    await using stage = scene();
    const [alice, bob] = await Promise.all([stage.connect("alice"), stage.connect("bob")]);
    await alice.transmit(SELECT, PCI);
    await bob.transmit(SELECT, PCI);
    for (let again = 0; again < 2; again += 1)
      await expect(alice.begin(within())).rejects.toThrow(refused(Rv.ResetCard));
    await alice.reconnect(SHARED, Disposition.Leave);
    for (let others = 0; others < 3; others += 1) {
      await bob.reconnect(SHARED, Disposition.Leave);
      await bob.transmit(SELECT, PCI);
      await bob.disconnect(Disposition.Leave).catch(() => {});
    }
    await alice.status();
    await alice.begin(within());
    await alice.transmit(SELECT, PCI);
    await alice.end(Disposition.Leave);
  });

  test("one who has sent nothing is never told of another's reset, and is of one of his own", async () => {
    await using stage = scene();
    const [idle, bob] = await Promise.all([stage.connect("alice"), stage.connect("bob")]);
    await bob.begin(within());
    await bob.end(Disposition.Reset);
    await idle.status();
    await idle.transmit(SELECT, PCI);
    const [still, other] = await Promise.all([stage.connect("carol"), stage.connect("carol")]);
    await other.disconnect(Disposition.Reset);
    await expect(still.status()).rejects.toThrow(refused(Rv.ResetCard));
  });

  test("a program that goes to pcscd directly makes the state unknown", async () => {
    await using stage = scene();
    const alice = await stage.connect("alice");
    await alice.transmit(SELECT, PCI);
    expect(stage.resets()).toBe(1);
    const how = { ...SHARED, principal: { name: "local" } };
    const { session: local } = await stage.fake.connect(NAME, how, within());
    await expect(alice.begin(within())).rejects.toThrow(refused(Rv.ResetCard));
    expect(stage.resets()).toBe(2);
    await alice.reconnect(SHARED, Disposition.Leave);
    await alice.begin(within());
    await alice.end(Disposition.Leave);
    await expect(local.status()).rejects.toThrow(refused(Rv.ResetCard));
  });

  test("an end with a disposition that there is not leaves the card as it is", async () => {
    await using stage = scene();
    const alice = await stage.connect("alice");
    await alice.transmit(SELECT, PCI);
    await alice.begin(within());
    await expect(alice.end(7)).rejects.toThrow(refused(Rv.InvalidValue));
    expect(stage.arbiter.isHandOverDue(NAME, "alice")).toBe(false);
  });

  test("an end of nothing tells of no reset that its program is not to hear of", async () => {
    await using stage = scene();
    const [idle, bob] = [await stage.connect("alice"), await stage.connect("bob")];
    await bob.transmit(SELECT, PCI);
    expect(stage.resets()).toBe(1);
    await expect(idle.end(Disposition.Leave)).rejects.toThrow(refused(Rv.NotTransacted));
  });

  test("while such a program has a handle, whoever left something in the card keeps it for a moment", async () => {
    await using stage = scene();
    const [alice, bob] = await Promise.all([stage.connect("alice"), stage.connect("bob")]);
    const how = { ...SHARED, principal: { name: "local" } };
    const { session: local } = await stage.fake.connect(NAME, how, within());
    // As programs that use no transactions do, and as those that do: several commands that belong together.
    await alice.transmit(SELECT, PCI);
    await alice.transmit(SELECT, PCI);
    await alice.begin(within());
    await alice.transmit(SELECT, PCI);
    await alice.end(Disposition.Leave);
    await alice.transmit(SELECT, PCI);
    expect(stage.resets()).toBe(1);
    await expect(local.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.SharingViolation));
    await expect(alice.end(Disposition.Leave)).rejects.toThrow(refused(Rv.NotTransacted));
    await alice.reconnect(SHARED, Disposition.Leave);
    await alice.transmit(SELECT, PCI);
    // One of ours who wants it does not wait for that.
    await bob.begin(within());
    expect(stage.resets()).toBe(3);
    await bob.transmit(SELECT, PCI);
    await bob.end(Disposition.Leave);
    // Nor is it kept for ever.
    const again = async () => await local.reconnect(SHARED, Disposition.Leave);
    await expect(again()).rejects.toThrow(refused(Rv.SharingViolation));
    await vi.waitFor(again, { timeout: 3_000 });
    await local.begin(within());
  });

  test("a program that goes to pcscd directly and holds the card is waited for", async () => {
    await using stage = scene();
    const alice = await stage.connect("alice");
    const how = { ...SHARED, principal: { name: "local" } };
    const { session: local } = await stage.fake.connect(NAME, how, within());
    await local.begin(within());
    const sent = alice.transmit(SELECT, PCI);
    await local.transmit(SELECT, PCI);
    await local.end(Disposition.Leave);
    await sent;
    const commands = stage.fake.log.filter((call) => /transmit|reconnect/.test(call));
    expect(commands).toEqual(["transmit 00a40400", "reconnect 1", "transmit 00a40400"]);
  });

  test("a reset that fails gives the card to nobody", async () => {
    let fails = true;
    const before = ({ name }: { name: string }) => {
      if (name === "reconnect" && fails) throw new Error("the reader is gone");
    };
    await using stage = scene({}, { before });
    const alice = await stage.connect("alice");
    await expect(alice.transmit(SELECT, PCI)).rejects.toThrow("the reader is gone");
    expect(stage.fake.log.filter((call) => call.startsWith("transmit"))).toEqual([]);
    expect(stage.arbiter.attendance(NAME).holder).toBeUndefined();
    fails = false;
    await (await stage.connect("bob")).transmit(SELECT, PCI); // no level of the lock is left
    await alice.transmit(SELECT, PCI);
  });

  test.each([
    ["reset-unless-same-user", ["alice@a", "alice@b"], 1],
    ["reset-unless-same-user", ["alice@a", "bob@a"], 2],
    ["shared", ["alice", "bob"], 0],
  ] as const)("%s: %o cause %i resets", async (policy, names, resets) => {
    await using stage = scene({ policy: () => policy });
    for (const name of names) {
      const session = await stage.connect(name);
      await session.transmit(SELECT, PCI);
      await session.disconnect(Disposition.Leave);
    }
    expect(stage.resets()).toBe(resets);
  });

  test("another policy holds from the next turn on, for handles that there are", async () => {
    let policy: HandOverPolicy = "shared";
    await using stage = scene({ policy: () => policy });
    const [alice, bob] = [await stage.connect("alice"), await stage.connect("bob")];
    await alice.transmit(SELECT, PCI);
    await bob.transmit(SELECT, PCI);
    expect(stage.resets()).toBe(0);
    policy = "reset";
    await expect(alice.transmit(SELECT, PCI)).rejects.toEqual(refused(Rv.ResetCard));
    expect(stage.resets()).toBe(1);
    policy = "exclusive";
    await expect(stage.connect("carol")).rejects.toEqual(refused(Rv.SharingViolation));
  });

  test("exclusive: only one identity has handles", async () => {
    await using stage = scene({ policy: () => "exclusive" });
    const alice = await stage.connect("alice");
    await stage.connect("alice");
    await expect(stage.connect("bob")).rejects.toThrow(refused(Rv.SharingViolation));
    await alice.abandon();
  });
});

describe("one who overstays", () => {
  test("does so by his own limits", async () => {
    const limits = (name: string) => ({ idleMs: name === "alice" ? 30 : 60_000 });
    await using stage = scene({ limits });
    const [alice, bob] = [await stage.connect("alice"), await stage.connect("bob")];
    await alice.begin(within());
    await bob.begin(within()); // as soon as hers is taken away
    await new Promise((resolve) => setTimeout(resolve, 100));
    await bob.transmit(SELECT, PCI);
    const taken = { type: "taken", reader: NAME, identity: "alice", why: "idle" };
    expect(stage.events.filter(({ type }) => type === "taken")).toEqual([taken]);
  });

  test.each([
    ["idle", { idleMs: 30, totalMs: 0 }],
    ["total", { idleMs: 0, totalMs: 30 }],
  ] as const)(
    "loses the lock (%s), is told of a reset, and the next one begins",
    async (why, limits) => {
      await using stage = scene({ limits: () => limits });
      const [slow, next] = await Promise.all([stage.connect("alice"), stage.connect("bob")]);
      await slow.begin(within());
      await slow.begin(within());
      await slow.transmit(SELECT, PCI);
      await next.begin(within());
      expect(stage.events).toContainEqual({ type: "taken", reader: NAME, identity: "alice", why });
      const calls = stage.fake.log.length;
      await expect(slow.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
      await expect(slow.end(Disposition.Leave)).rejects.toThrow(refused(Rv.ResetCard));
      expect(stage.fake.log.length).toBe(calls);
      await next.end(Disposition.Leave);
      await slow.reconnect(SHARED, Disposition.Leave);
      await slow.begin(within());
      await slow.end(Disposition.Leave);
    },
  );

  test("an end under way is not interrupted, and a reconnect waits until the card is taken", async () => {
    const slow = deferred();
    let isSlow = false;
    const before = async ({ name }: { name: string }) => {
      if (name === "end" && isSlow) await slow.promise;
    };
    await using stage = scene({ limits: () => ({ idleMs: 0, totalMs: 30 }) }, { before });
    const alice = await stage.connect("alice");
    await alice.begin(within());
    isSlow = true;
    const ended = alice.end(Disposition.Leave);
    await expect.poll(() => stage.events.some(({ type }) => type === "taken")).toBe(true);
    const again = alice.reconnect(SHARED, Disposition.Leave);
    isSlow = false;
    slow.resolve();
    await ended;
    await again;
    // The end came first: there was nothing left to be taken, and no reset but the one at the beginning.
    expect(stage.fake.log.filter((call) => call === "reconnect 1")).toHaveLength(1);
    expect(stage.arbiter.attendance(NAME).holder).toBeUndefined();
    await alice.begin(within());
    await alice.end(Disposition.Leave);
  });

  test("a command under way is not idleness, and its answer is delivered", async () => {
    const transmit = async () => {
      await new Promise((resolve) => setTimeout(resolve, 80));
      return Uint8Array.of(0x61, 0x01);
    };
    await using stage = scene({ limits: () => ({ idleMs: 25, totalMs: 50 }) }, { transmit });
    const slow = await stage.connect("alice");
    await slow.begin(within());
    expect((await slow.transmit(SELECT, PCI)).data).toEqual(Uint8Array.of(0x61, 0x01));
    await expect.poll(() => stage.arbiter.attendance(NAME).holder).toBeUndefined();
    expect(stage.events.filter(({ type }) => type === "taken")).toEqual([
      { type: "taken", reader: NAME, identity: "alice", why: "total" },
    ]);
  });
});

describe("a lease", () => {
  const MINUTE = 60_000;

  test("keeps the card for one identity; the others keep their places", async () => {
    await using stage = scene();
    const [alice, bob] = await Promise.all([stage.connect("alice"), stage.connect("bob")]);
    const lease = await stage.arbiter.lease(NAME, { identity: "alice", forMs: MINUTE }, within());
    const order: string[] = [];
    const sent = bob.transmit(SELECT, PCI).then(() => order.push("bob"));
    await alice.transmit(SELECT, PCI);
    order.push("alice");
    await lease.release();
    await sent;
    expect(order).toEqual(["alice", "bob"]);
    expect(stage.arbiter.attendance(NAME).lease).toBeUndefined();
  });

  test("is waited for in the queue, and numbers rise", async () => {
    await using stage = scene();
    const bob = await stage.connect("bob");
    await bob.begin(within());
    const options = { identity: "alice", forMs: MINUTE };
    const waiting = stage.arbiter.lease(NAME, options, within());
    expect(stage.arbiter.attendance(NAME).waiting).toMatchObject([
      { identity: "alice", what: "lease" },
    ]);
    await bob.end(Disposition.Leave);
    const first = await waiting;
    await expect(stage.arbiter.lease(NAME, options, within())).rejects.toThrow(
      "alice has a lease of Card 00 00 already",
    );
    await first.release();
    const next = await stage.arbiter.lease(NAME, { ...options, identity: "bob" }, within());
    expect(next.fence).toBeGreaterThan(first.fence);
  });

  test("that ends takes the transaction away, and refuses what was connected under it until it reconnects", async () => {
    await using stage = scene();
    const lease = await stage.arbiter.lease(NAME, { identity: "alice", forMs: 40 }, within());
    const [holds, idle] = await Promise.all([stage.connect("alice"), stage.connect("alice")]);
    await holds.begin(within());
    lease.renew(60);
    const bob = stage.connect("bob");
    await expect.poll(() => lease.ended.aborted).toBe(true);
    await (await bob).transmit(SELECT, PCI);
    const calls = stage.fake.log.length;
    for (const late of [
      holds.transmit(SELECT, PCI),
      idle.transmit(SELECT, PCI),
      idle.begin(within()),
    ])
      await expect(late).rejects.toThrow(refused(Rv.ResetCard));
    expect(stage.fake.log.length).toBe(calls);
    await idle.reconnect(SHARED, Disposition.Leave);
    await idle.transmit(SELECT, PCI);
    expect(() => lease.renew(MINUTE)).toThrow("the lease of Card 00 00 is over");
  });

  test("and a transaction can be taken by an administrator", async () => {
    await using stage = scene();
    const alice = await stage.connect("alice");
    await alice.begin(within());
    expect(await stage.arbiter.kick(NAME)).toBe("alice");
    await expect(alice.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
    const lease = await stage.arbiter.lease(NAME, { identity: "bob", forMs: MINUTE }, within());
    expect(await stage.arbiter.kick(NAME)).toBe("bob");
    expect(lease.ended.reason).toMatchObject({
      message: "the lease of Card 00 00 is over: an administrator ended it",
    });
    expect(await stage.arbiter.kick("Nothing 00 00")).toBeUndefined();
  });
});

test("the end of a transaction that there is not resets the card, which is no news to who has nothing in it", async () => {
  await using stage = scene();
  const [alice, bob] = [await stage.connect("alice"), await stage.connect("bob")];
  await expect(alice.end(Disposition.Reset)).rejects.toEqual(refused(Rv.NotTransacted));
  await expect(bob.begin(within())).resolves.toBeUndefined();
});
