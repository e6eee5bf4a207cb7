import { describe, expect, test } from "vitest";
import type { CardSession } from "../../domain/card-service.ts";
import { deferred } from "../../domain/deferred.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";
import type { FakeAnswers } from "../../testing/fake-session.ts";
import { Arbiter } from "./arbiter.ts";
import type { VisitedCard } from "./visit.ts";

const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const NAME = "Card 00 00";
const PCI = { send: 2, receive: 2 };
const ASK = Uint8Array.of(0x00, 0xf8, 0x00, 0x00);
const COMMAND = Uint8Array.of(0x00, 0xb0, 0x00, 0x00);
const SHARED = { share: ShareMode.Shared, protocols: 3 };
const within = () => ({ signal: AbortSignal.timeout(5_000) });
const refused = (rv: number) => expect.objectContaining({ rv });
const ask = (card: VisitedCard) => card.transmit(ASK);

function scene(answers: FakeAnswers = {}) {
  const fake = fakeService([fakeReader(NAME, { atr: ATR })], answers);
  const arbiter = new Arbiter(fake, { lateMs: 0 });
  const as = (name: string) => ({ ...SHARED, principal: { name } });
  return {
    fake,
    arbiter,
    connect: async (name: string): Promise<CardSession> =>
      (await arbiter.connect(NAME, as(name), within())).session,
    /** A program that does not come through the arbiter. */
    local: async () => (await fake.connect(NAME, as("local"), within())).session,
    [Symbol.asyncDispose]: () => arbiter[Symbol.asyncDispose](),
  };
}

/** What is sent on the arbiter's own account, the card being as a power-up leaves it. */
const visited = [
  `connect ${NAME}`,
  "begin",
  "reconnect 0",
  "begin",
  "transmit 00f80000",
  "end 1",
  "disconnect 0",
];

describe("a card that nobody uses", () => {
  test("is reset before, if it may have been used, and after", async () => {
    await using stage = scene();
    await expect(stage.arbiter.visit(NAME, ask, within())).resolves.toEqual(
      Uint8Array.of(0x90, 0x00),
    );
    expect(stage.fake.log).toEqual(visited.with(2, "reconnect 1"));
    // Whoever comes next finds it so, and it need not be reset again.
    await (await stage.connect("alice")).transmit(COMMAND, PCI);
    expect(stage.fake.log.slice(visited.length)).toEqual([`connect ${NAME}`, "transmit 00b00000"]);
  });

  test("is not had by who comes while it is asked for exclusively, but he waits for his turn", async () => {
    const { promise: locked, resolve: lock } = deferred();
    await using stage = scene({ before: ({ name }) => (name === "begin" ? locked : undefined) });
    const visit = stage.arbiter.visit(NAME, ask, within());
    await expect.poll(() => stage.fake.readers[0]?.sharing).toBe(-1);
    const alice = stage.connect("alice");
    await new Promise(setImmediate);
    lock();
    await visit;
    await expect(alice).resolves.toBeDefined();
  });

  test("is not reset before when nothing was sent to it since it came", async () => {
    await using stage = scene();
    await (await stage.connect("alice")).disconnect(Disposition.Leave);
    stage.fake.pull(NAME);
    stage.fake.insert(NAME, ATR);
    await new Promise(setImmediate); // the news has to get through
    const before = stage.fake.log.length;
    await stage.arbiter.visit(NAME, ask, within());
    expect(stage.fake.log.slice(before)).toEqual(visited);
    // And so it is after it.
    const next = stage.fake.log.length;
    await stage.arbiter.visit(NAME, ask, within());
    expect(stage.fake.log.slice(next)).toEqual(visited);
  });

  test("is kept from those who come meanwhile, who find it reset and are told of nothing", async () => {
    const { promise: answered, resolve: answer } = deferred();
    await using stage = scene({
      before: ({ detail }) => (detail === "00f80000" ? answered : undefined),
    });
    const visit = stage.arbiter.visit(NAME, ask, within());
    await expect.poll(() => stage.fake.log).toContain("transmit 00f80000");
    const alice = stage.connect("alice").then((session) => session.transmit(COMMAND, PCI));
    await expect.poll(() => stage.arbiter.attendance(NAME).waiting.length).toBe(1);
    expect(stage.arbiter.attendance(NAME).holder).toBe("(serve)");
    // A program of the card host waits, too, and is not turned away.
    const local = stage.local();
    answer();
    await visit;
    await expect(alice).resolves.toBeDefined();
    await expect(local).resolves.toBeDefined();
    expect(stage.fake.log.indexOf("transmit 00b00000")).toBeGreaterThan(
      stage.fake.log.indexOf("end 1"),
    );
  });

  test("is visited for the one who has a lease of it", async () => {
    await using stage = scene();
    await using _lease = await stage.arbiter.lease(
      NAME,
      { identity: "alice", forMs: 9_000 },
      within(),
    );
    await expect(stage.arbiter.visit(NAME, ask, within())).resolves.toBeDefined();
  });

  test("is left when it takes too long, and the next one has his turn", async () => {
    let hangs = false;
    await using stage = scene({
      before: async ({ name }) => {
        if (hangs && name === "transmit") await new Promise(() => {});
      },
    });
    await stage.arbiter.visit(NAME, ask, within());
    hangs = true;
    const stop = new AbortController();
    const visit = stage.arbiter.visit(NAME, ask, stop);
    await expect.poll(() => stage.fake.log.at(-1)).toBe("transmit 00f80000");
    stop.abort(new Error("too late"));
    await expect(visit).rejects.toThrow("too late");
    hangs = false;
    const alice = await stage.connect("alice");
    await alice.transmit(COMMAND, PCI);
    expect(stage.fake.log).toContain("abandon");
    // Nobody knows what the visit left in it.
    expect(stage.fake.log.slice(-6)).toEqual([
      "begin",
      "begin",
      "reconnect 1",
      "end 0",
      "transmit 00b00000",
      "end 0",
    ]);
  });
});

describe("a card that somebody uses", () => {
  test.each([
    ["one of ours", (stage: ReturnType<typeof scene>) => stage.connect("alice")],
    [
      "one of ours who has it for long",
      async (stage: ReturnType<typeof scene>) => {
        const alice = await stage.connect("alice");
        await alice.begin(within());
        return alice;
      },
    ],
    ["a program of the card host", (stage: ReturnType<typeof scene>) => stage.local()],
  ])("is not visited: %s", async (_who, come) => {
    await using stage = scene();
    const session = await come(stage);
    const before = [...stage.fake.log];
    await expect(stage.arbiter.visit(NAME, ask, within())).rejects.toEqual(
      refused(Rv.SharingViolation),
    );
    expect(stage.fake.log.filter((call) => call !== "status")).toEqual(before);
    await session.disconnect(Disposition.Leave);
    await expect(stage.arbiter.visit(NAME, ask, within())).resolves.toBeDefined();
  });

  test("unseen by us is not visited either: pcscd knows", async () => {
    await using stage = scene({
      before: async ({ name, reader }) => {
        if (name === "connect" && stage.fake.log.length === 1)
          await stage.fake.connect(reader, { ...SHARED, principal: { name: "l" } }, within());
      },
    });
    await expect(stage.arbiter.visit(NAME, ask, within())).rejects.toEqual(
      refused(Rv.SharingViolation),
    );
    expect(stage.fake.log).not.toContain("transmit 00f80000");
  });

  test("is one whose handle is of the card before only when that has been reconnected", async () => {
    await using stage = scene();
    const alice = await stage.connect("alice");
    stage.fake.pull(NAME);
    stage.fake.insert(NAME, ATR);
    await new Promise(setImmediate);
    await expect(stage.arbiter.visit(NAME, ask, within())).resolves.toBeDefined();
    // That the card is another one is not kept from her.
    await expect(alice.transmit(COMMAND, PCI)).rejects.toEqual(refused(Rv.ResetCard));
    await alice.reconnect(SHARED, Disposition.Leave);
    await expect(stage.arbiter.visit(NAME, ask, within())).rejects.toEqual(
      refused(Rv.SharingViolation),
    );
  });

  test("is one whose handle is being reconnected when the visit is to begin", async () => {
    const { promise: told, resolve: tell } = deferred();
    await using stage = scene({ before: ({ name }) => (name === "reconnect" ? told : undefined) });
    const alice = await stage.connect("alice");
    stage.fake.pull(NAME);
    stage.fake.insert(NAME, ATR);
    const reconnected = alice.reconnect(SHARED, Disposition.Leave);
    const visit = stage.arbiter.visit(NAME, ask, within());
    await expect.poll(() => stage.arbiter.attendance(NAME).waiting.length).toBe(1);
    tell();
    await reconnected;
    await expect(visit).rejects.toEqual(refused(Rv.SharingViolation));
    expect(stage.fake.log).not.toContain("transmit 00f80000");
  });
});
