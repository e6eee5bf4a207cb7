import { describe, expect, test } from "vitest";
import type { CardService, CardSession } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import type { Profile } from "../../domain/identity.ts";
import { Disposition } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";
import type { FakeAnswers } from "../../testing/fake-session.ts";
import { Arbiter } from "../arbiter/arbiter.ts";
import { Policy } from "../policy/policy.ts";
import type { Refusal } from "../policy/refusal.ts";
import { NO_RULES, type Rule, type Rules } from "../policy/rule.ts";
import { type SerialEvent, Serials } from "./serials.ts";

const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const [ONE, OTHER] = ["Card 00 00", "Card 00 01"] as const;
const GET_SERIAL = "00f8000000";
const hex = (text: string): Uint8Array => Buffer.from(text, "hex");
const within = () => ({ signal: AbortSignal.timeout(5_000) });
const violation = expect.objectContaining({ rv: Rv.SecurityViolation });
const SHARED = { share: 2, protocols: 3 };

const rules = (...all: readonly Partial<Rule>[]): Rules => ({
  groups: new Map(),
  rules: all.map((rule, at) => ({ verdict: "deny", name: `rule ${at + 1}`, ...rule })),
});
/** alice may use the card with that number, and no other. */
const onlyFor = (serial: string) =>
  rules({ verdict: "allow", identities: ["alice"], serials: [serial] }, { identities: ["alice"] });
const ALLOWED = onlyFor("7");

interface SceneOptions extends FakeAnswers {
  readonly initial?: Rules;
  readonly withinMs?: number;
}

/** A reader with a card whose PIV application tells the number `serial`, and an empty one. */
function scene({ initial = ALLOWED, withinMs = 2_000, ...answers }: SceneOptions = {}) {
  const card = { serial: 7 };
  const fake = fakeService([fakeReader(ONE, { atr: ATR }), fakeReader(OTHER)], {
    transmit: (apdu) => {
      const command = Buffer.from(apdu).toString("hex");
      if (command === GET_SERIAL) return hex(`${card.serial.toString(16).padStart(8, "0")}9000`);
      return hex(
        command.startsWith("00a4040007") || command.includes("527471117") ? "6a82" : "9000",
      );
    },
    ...answers,
  });
  const arbiter = new Arbiter(fake, { lateMs: 0 });
  const refusals: Refusal[] = [];
  const events: SerialEvent[] = [];
  const policy: Policy = new Policy({
    rules: initial,
    foreignUse: () => "told",
    onRefusal: (refusal) => refusals.push(refusal),
    settle: (reader, options) => serials.settle(reader, options),
  });
  const onEvent = (event: SerialEvent) => void events.push(event);
  const serials: Serials = new Serials({ cards: arbiter, policy, withinMs, onEvent });
  const view = (name: string, profile: Profile = "manage"): CardService =>
    policy.view(arbiter, { principal: { name }, readers: ["*"], profile });
  return {
    fake,
    policy,
    serials,
    refusals,
    card,
    view,
    connect: async (name = "alice", profile?: Profile): Promise<CardSession> =>
      (await view(name, profile).connect(ONE, { ...SHARED, principal: { name } }, within()))
        .session,
    /** How often the card was asked. */
    asked: () => fake.log.filter((call) => call === `transmit ${GET_SERIAL}`).length,
    /** What came to be known, in order. */
    told: () => events.map((event) => ("why" in event ? event.why : event.serial)),
    async [Symbol.asyncDispose]() {
      await serials[Symbol.asyncDispose]();
      await arbiter[Symbol.asyncDispose]();
    },
  };
}

const IN_USE = "somebody uses the card";
const news = () => new Promise(setImmediate);

describe("the number of a card", () => {
  test("is read when it comes, before anybody gets at it, and once", async () => {
    await using stage = scene();
    await expect(stage.connect()).resolves.toBeDefined();
    expect(stage.told()).toEqual(["7"]);
    expect([ONE, OTHER].map((reader) => stage.serials.serialOf(reader))).toEqual(["7", undefined]);
    const { log } = stage.fake;
    expect(log.indexOf("end 1")).toBeLessThan(log.lastIndexOf(`connect ${ONE}`));
    await (await stage.connect("bob")).disconnect(Disposition.Leave);
    expect(stage.asked()).toBe(1);
  });

  test("is not read while no rule names one that could be about this card", async () => {
    await using stage = scene({
      initial: rules(
        { identities: ["alice"], ins: [{ value: 0x20, mask: 0xff }] },
        { serials: ["7"], readers: ["Another*"] },
        { serials: ["7"], atrs: [{ bytes: hex("3b00"), isPrefix: true }] },
      ),
    });
    await stage.connect();
    expect(stage.asked()).toBe(0);
    expect(stage.told()).toEqual([]);
  });

  test("is read when rules come that name one", async () => {
    await using stage = scene({ initial: NO_RULES });
    await (await stage.connect()).disconnect(Disposition.Leave);
    expect(stage.asked()).toBe(0);
    stage.policy.update(ALLOWED);
    await expect.poll(stage.told).toEqual(["7"]);
    await expect(stage.connect()).resolves.toBeDefined();
  });

  test("is that of another card as soon as there is another one", async () => {
    await using stage = scene();
    const alice = await stage.connect();
    stage.fake.pull(ONE);
    stage.card.serial = 8;
    stage.fake.insert(ONE, ATR);
    // Her handle is of the card before, and so in nobody's way.
    await expect(alice.reconnect(SHARED, Disposition.Leave)).rejects.toEqual(violation);
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.told()).toEqual(["7", "8"]);
    stage.fake.pull(ONE);
    stage.card.serial = 7;
    stage.fake.insert(ONE, ATR);
    await alice.reconnect(SHARED, Disposition.Leave);
    await expect(alice.transmit(hex("00b0000000"), { send: 2, receive: 2 })).resolves.toBeDefined();
    expect(stage.told()).toEqual(["7", "8", "7"]);
  });

  test("is forgotten with its reader, even if that comes back as it was", async () => {
    await using stage = scene();
    await expect.poll(stage.told).toEqual(["7"]);
    stage.fake.unplug(ONE);
    expect(stage.serials.serialOf(ONE)).toBeUndefined();
    await news();
    stage.card.serial = 8;
    stage.fake.plug(fakeReader(ONE, { atr: ATR }));
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.told()).toEqual(["7", "8"]);
  });

  test("is read anew when it is not certain that the card is the same", async () => {
    await using stage = scene();
    await expect.poll(stage.told).toEqual(["7"]);
    stage.card.serial = 8;
    stage.serials.forget();
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.told()).toEqual(["7", "8"]);
  });

  test("that was read from a card that went meanwhile is not the next one's", async () => {
    let isFirst = true;
    await using stage = scene({
      before: async ({ name }) => {
        if (name !== "disconnect" || !isFirst) return;
        isFirst = false;
        stage.fake.pull(ONE);
        stage.card.serial = 8;
        stage.fake.insert(ONE, ATR);
      },
    });
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.told()).toEqual(["8"]);
  });

  test("that was read when it became uncertain which card it is does not count", async () => {
    let isFirst = true;
    await using stage = scene({
      before: ({ name }) => {
        if (name !== "disconnect" || !isFirst) return;
        isFirst = false;
        stage.card.serial = 8;
        stage.serials.forget();
      },
    });
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.told()).toEqual(["8"]);
  });
});

test("handles that were lost with pcscd are in nobody's way, and their own program goes on", async () => {
  let isLost = false;
  await using stage = scene({
    before: ({ name }) => {
      if (isLost && name === "status") throw new ReturnCodeError("SCardStatus", Rv.ResetCard);
    },
  });
  const alice = await stage.connect();
  isLost = true;
  stage.serials.forget();
  await alice.reconnect(SHARED, Disposition.Leave);
  expect(stage.told()).toEqual(["7", "7"]);
});

describe("is unknown", () => {
  test("while somebody uses the card, and what he left in it stays", async () => {
    await using stage = scene({ initial: NO_RULES });
    const bob = await stage.connect("bob", "look");
    const write = async () => {
      const { data } = await bob.transmit(hex("00db3fff"), { send: 2, receive: 2 });
      return Buffer.from(data).toString("hex");
    };
    await bob.transmit(hex("00a4040005a000000308"), { send: 2, receive: 2 });
    const { length } = stage.fake.log;
    const piv = [{ bytes: hex("a000000308"), isPrefix: true }];
    stage.policy.update(rules(...ALLOWED.rules, { verdict: "allow", aids: piv }));
    await expect.poll(stage.told).toEqual([IN_USE]);
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.refusals).toMatchObject([
      {
        identity: "alice",
        rule: "rule 2",
        why: "the card, whose serial number is not known: denied by rule 2",
      },
    ]);
    expect(stage.fake.log.slice(length)).toEqual(stage.fake.log.slice(length).map(() => "status"));
    expect(await write()).toBe("9000"); // what he selected is still known to be selected
    await bob.disconnect(Disposition.Leave);
    await expect.poll(stage.told).toEqual([IN_USE, "7"]);
    await expect(stage.connect()).resolves.toBeDefined();
  });

  test("and a rule that denies by it holds then", async () => {
    await using stage = scene({ initial: NO_RULES });
    const alice = await stage.connect();
    const read = async () => {
      const { data } = await alice.transmit(hex("00b0000000"), { send: 2, receive: 2 });
      return Buffer.from(data).toString("hex");
    };
    expect(await read()).toBe("9000");
    stage.policy.update(rules({ identities: ["alice"], serials: ["8"] }));
    expect(await read()).toBe("6985");
    await alice.disconnect(Disposition.Leave);
    await expect(stage.connect()).resolves.toBeDefined(); // it is 7
  });

  test("while a program of the card host uses it, which is asked for again only when that is over", async () => {
    await using stage = scene({ initial: NO_RULES });
    const how = { ...SHARED, principal: { name: "local" } };
    const { session: local } = await stage.fake.connect(ONE, how, within());
    stage.policy.update(ALLOWED);
    await expect.poll(stage.told).toEqual([IN_USE]);
    for (let again = 0; again < 3; again += 1)
      await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.asked()).toBe(0);
    expect(stage.told()).toEqual([IN_USE]);
    await local.disconnect(Disposition.Leave);
    await expect.poll(stage.told).toEqual([IN_USE, "7"]);
  });

  test("while pcscd says so, although nobody is seen: it is not asked for again and again", async () => {
    await using stage = scene({
      before: ({ name }) => {
        if (name === "connect") throw new ReturnCodeError("SCardConnect", Rv.SharingViolation);
      },
    });
    await expect.poll(stage.told).toEqual([IN_USE]);
    for (const name of ["A", "B", "C"]) {
      stage.fake.plug(fakeReader(name));
      await news();
    }
    expect(stage.fake.log).toEqual([`connect ${ONE}`]);
  });

  test("when the card hangs: nobody waits for longer than is said, and it is not asked again until it comes again", async () => {
    let hangs = true;
    await using stage = scene({
      withinMs: 50,
      before: async ({ name }) => {
        if (hangs && name === "transmit") await new Promise(() => {});
      },
    });
    await expect(stage.connect()).rejects.toEqual(violation);
    hangs = false;
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.told()).toEqual(["it was not told within 50 ms"]);
    await expect(stage.connect("bob")).resolves.toBeDefined();
    stage.fake.pull(ONE);
    stage.fake.insert(ONE, ATR);
    await expect(stage.connect()).resolves.toBeDefined();
  });

  test.each([
    ["tells none", { transmit: () => hex("6a82") }, "the card tells none"],
    [
      "cannot be connected to",
      {
        before: ({ name }: { name: string }) => {
          if (name === "connect") throw new Error("it is mute");
        },
      },
      "it is mute",
    ],
  ])("for a card that %s", async (_what, answers, why) => {
    await using stage = scene(answers);
    await expect.poll(stage.told).toEqual([why]);
    await expect(stage.connect()).rejects.toEqual(violation);
    expect(stage.told()).toEqual([why]);
  });
});

test("a connect that is given up does not wait for the card", async () => {
  await using stage = scene({
    withinMs: 500,
    before: async ({ name }) => {
      if (name === "transmit") await new Promise(() => {});
    },
  });
  const stop = new AbortController();
  const connect = stage.view("alice").connect(ONE, { ...SHARED, principal: { name: "a" } }, stop);
  await news();
  stop.abort(new Error("never mind"));
  await expect(connect).rejects.toThrow("never mind");
});
