import { describe, expect, test } from "vitest";
import type { CardService, CardSession } from "../../domain/card-service.ts";
import { deferred } from "../../domain/deferred.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { PivCard } from "../../software-cards/piv/card.ts";
import { emptyState } from "../../software-cards/piv/state.ts";
import { cardServiceContract, fakeReader, fakeService } from "../../testing/index.ts";
import { ForwardingSession } from "../forwarding-session.ts";
import { SoftwareReaders } from "../software/service.ts";
import { withSessions } from "../with-sessions.ts";
import { Policy, type PolicyGrant } from "./policy.ts";
import type { Refusal } from "./refusal.ts";
import type { Rule } from "./rule.ts";

const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const card = fakeReader("Card 00 00", { atr });
const empty = fakeReader("Card 00 01");
const kept = fakeReader("Kept 00 00", { atr });
const { signal } = new AbortController();
const hex = (text: string): Uint8Array => Buffer.from(text, "hex");

const grant = (more: Partial<PolicyGrant> = {}): PolicyGrant => ({
  principal: { name: "alice" },
  profile: "use",
  readers: ["Card *"],
  ...more,
});
const open = async (
  service: CardService,
  { share = 2, protocols = 3, reader = card.name } = {},
): Promise<CardSession> => {
  const how = { share, protocols, principal: { name: "front" } };
  return (await service.connect(reader, how, { signal })).session;
};
const say = async (session: CardSession, command: string): Promise<string> => {
  const { data } = await session.transmit(hex(command), { send: 2, receive: 2 });
  return Buffer.from(data).toString("hex");
};
const rules = (...all: Partial<Rule>[]) => ({
  rules: all.map((rule, index): Rule => ({ verdict: "deny", name: `rule ${index + 1}`, ...rule })),
  groups: new Map([["staff", ["al*"]]]),
});
const violation = { rv: Rv.SecurityViolation };

describe("a view", () => {
  cardServiceContract(test, async () => {
    const inner = fakeService([kept, card, empty]);
    const service = new Policy().view(inner, grant({ profile: "manage" }));
    return {
      service,
      attribute: 0x90303,
      pull: async () => inner.pull(card.name),
      insert: async () => inner.insert(card.name, atr),
      [Symbol.asyncDispose]: async () => {
        await service[Symbol.asyncDispose]();
        await inner[Symbol.asyncDispose]();
      },
    };
  });
});

describe("a view of software readers", () => {
  cardServiceContract(test, async () => {
    const inner = new SoftwareReaders([card.name, empty.name]);
    const piv = new PivCard(emptyState(1));
    await inner.insert(card.name, piv);
    const service = new Policy().view(inner, grant({ profile: "manage" }));
    return {
      service,
      attribute: 0x90303,
      pull: async () => inner.pull(card.name),
      insert: () => inner.insert(card.name, piv),
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
  });
});

describe("readers", () => {
  test("that are not granted do not exist, and are not asked for", async () => {
    const inner = fakeService([card, kept]);
    const view = new Policy().view(inner, grant());
    expect(view.readers).toEqual([card]);
    expect(view.readers).toBe(view.readers);
    await expect(open(view, { reader: kept.name })).rejects.toMatchObject({ rv: Rv.UnknownReader });
    expect(inner.log).toEqual([]);
  });

  test("that a rule denies as a whole do not exist either; other rules show them to who follows", async () => {
    const inner = fakeService([card, kept]);
    const policy = new Policy({ rules: rules({ groups: ["staff"], readers: ["Card*"] }) });
    const view = policy.view(inner, grant());
    expect(view.readers).toEqual([]);
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const { length } of view.watch({ signal: stop.signal })) {
      seen.push(length);
      if (length > 0) stop.abort();
      else policy.update(rules({ identities: ["bob"] }));
    }
    expect(seen).toEqual([0, 1]);
  });

  test("with a card that a rule denies are seen, but the card is not to be had", async () => {
    const refusals: Refusal[] = [];
    const inner = fakeService([card, empty]);
    const policy = new Policy({
      rules: rules({ atrs: [{ bytes: hex("3b80"), isPrefix: true }] }),
      onRefusal: (refusal) => refusals.push(refusal),
    });
    const view = policy.view(inner, grant());
    expect(view.readers.length).toBe(2);
    await expect(open(view)).rejects.toMatchObject(violation);
    expect(inner.log).toEqual([]);
    expect(refusals).toEqual([
      {
        identity: "alice",
        reader: card.name,
        call: "SCardConnect",
        rule: "rule 1",
        why: "the card: denied by rule 1",
      },
    ]);
    await open(view, { reader: empty.name, share: 3, protocols: 0 });
  });

  test("in which certain cards are allowed are seen, with and without them, although the rest is denied", async () => {
    const inner = fakeService([card, empty]);
    const policy = new Policy({
      rules: rules({ verdict: "allow", serials: ["7"] }, { identities: ["alice"] }),
    });
    const view = policy.view(inner, grant());
    const names = () => view.readers.map(({ name }) => name);
    expect(names()).toEqual([card.name, empty.name]);
    await open(view, { reader: empty.name, share: 3, protocols: 0 });
    await expect(open(view)).rejects.toMatchObject(violation);
    policy.tellSerial(card, "7");
    expect(names()).toEqual([card.name, empty.name]);
    await open(view);
    policy.tellSerial(card, "8");
    await expect(open(view)).rejects.toMatchObject(violation);
  });

  test("that went and came back by the same name have no card that is known", async () => {
    const inner = fakeService([card]);
    const policy = new Policy({ rules: rules({ verdict: "allow", serials: ["7"] }) });
    policy.tellSerial(card, "7");
    const view = policy.view(inner, grant({ profile: "look" }));
    const session = await open(view);
    expect(await say(session, "00db3fff")).toBe("9000");
    inner.unplug(card.name);
    expect(await say(session, "00db3fff")).toBe("6985");
    inner.plug(card);
    expect(await say(await open(view), "00db3fff")).toBe("6985");
  });

  test("a card that must have a serial number has it when that is told, until it goes", async () => {
    const inner = fakeService([card]);
    const policy = new Policy({ rules: rules({ verdict: "allow", serials: ["7"] }) });
    const session = await open(policy.view(inner, grant({ profile: "look" })));
    expect(await say(session, "00db3fff")).toBe("6985");
    policy.tellSerial(inner.readers[0] ?? card, "7");
    expect(await say(session, "00db3fff")).toBe("9000");
    policy.tellSerial({ ...card, eventCounter: 9 }, "7"); // of another card
    expect(await say(session, "00db3fff")).toBe("6985");
    policy.tellSerial(inner.readers[0] ?? card, "7");
    expect(await say(session, "00db3fff")).toBe("9000");
    inner.pull(card.name);
    inner.insert(card.name, atr);
    await session.reconnect({ share: 2, protocols: 3 }, 0);
    expect(await say(session, "00db3fff")).toBe("6985");
  });
});

describe("commands", () => {
  test("that are refused never reach the card, and are told without their data", async () => {
    const refusals: Refusal[] = [];
    const inner = fakeService([card]);
    const policy = new Policy({ onRefusal: (refusal) => refusals.push(refusal) });
    const session = await open(policy.view(inner, grant({ profile: "look" })));
    expect(await say(session, "0020008008313233343536ffff")).toBe("6985");
    expect(await say(session, "3132333435")).toBe("6985");
    expect(inner.log).toEqual([`connect ${card.name}`]);
    expect(JSON.stringify(refusals)).not.toMatch(/3132|51|49,50/);
    expect(refusals[0]).toEqual({
      identity: "alice",
      reader: card.name,
      call: "SCardTransmit",
      header: { cla: 0, ins: 0x20, p1: 0, p2: 0x80 },
      why: "VERIFY: denied by the profile look; it takes the profile use, or a rule",
    });
    expect(refusals[1]?.header).toBeUndefined();
  });

  test.each([
    ["a PIN in BCD", "123456ff"],
    ["a longer one", "1234567890"],
    ["a PIN block of format 2", "241234ff"],
    ["a word", "70617373"],
    ["a word whose letters would be a command", "4b702061"],
  ])("of %s nothing is told", async (_what, bytes) => {
    const refusals: Refusal[] = [];
    const policy = new Policy({ onRefusal: (refusal) => refusals.push(refusal) });
    const session = await open(policy.view(fakeService([card]), grant({ profile: "look" })));
    expect(await say(session, bytes)).toBe("6985");
    expect(refusals.map(({ header }) => header)).toEqual([undefined]);
  });

  test("other rules hold from the next one on, in the sessions that there are", async () => {
    const policy = new Policy();
    const session = await open(policy.view(fakeService([card]), grant()));
    expect(await say(session, "00b0000000")).toBe("9000");
    policy.update(rules({ groups: ["staff"], ins: [{ value: 0xb0, mask: 0xff }] }));
    expect(await say(session, "00b0000000")).toBe("6985");
    policy.update(rules());
    expect(await say(session, "00b0000000")).toBe("9000");
  });

  test("a grant that changes its mind holds at once", async () => {
    let profile: PolicyGrant["profile"] = "use";
    const own: PolicyGrant = {
      principal: { name: "alice" },
      readers: ["*"],
      get profile() {
        return profile;
      },
    };
    const session = await open(new Policy().view(fakeService([card]), own));
    expect(await say(session, "00840000")).toBe("9000");
    profile = "look";
    expect(await say(session, "00840000")).toBe("6985");
  });

  test.each([4, 0x1000, 8, 0])(
    "of protocol %i are refused to who does not manage",
    async (send) => {
      const inner = fakeService([card]);
      const session = await open(new Policy().view(inner, grant()));
      const sent = session.transmit(hex("00b0000000"), { send, receive: 2 });
      await expect(sent).rejects.toMatchObject(violation);
      expect(inner.log).toEqual([`connect ${card.name}`]);
      const manager = new Policy().view(inner, grant({ profile: "manage" }));
      await (await open(manager)).transmit(hex("00b0000000"), { send, receive: 2 });
    },
  );

  test("raw access is refused at connect and reconnect", async () => {
    const view = new Policy().view(fakeService([card]), grant());
    await expect(open(view, { protocols: 7 })).rejects.toMatchObject(violation);
    const session = await open(view);
    await expect(session.reconnect({ share: 2, protocols: 4 }, 0)).rejects.toMatchObject(violation);
  });
});

describe("sessions on one reader", () => {
  const PIV = "00a4040005a000000308";
  /** A card that answers SELECT and remembers it for nobody. */
  const answers = {
    transmit: (apdu: Uint8Array) => {
      // pcscd's own code for a card that does not answer.
      if (apdu[1] === 0xb0) throw new ReturnCodeError("SCardTransmit", Rv.NotTransacted);
      return hex("9000");
    },
  };
  const put = "00db3fff";
  const fails = "00b0000000";
  const allowed = rules({
    verdict: "allow",
    aids: [{ bytes: hex("a000000308"), isPrefix: true }],
    ins: [{ value: 0xdb, mask: 0xff }],
  });

  test("share what is selected, in whichever view they are", async () => {
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], answers);
    const one = await open(policy.view(inner, grant()));
    const other = await open(policy.view(inner, grant({ principal: { name: "bob" } })));
    expect(await say(other, put)).toBe("6985");
    await say(one, PIV);
    expect(await say(other, put)).toBe("9000");
    await say(one, "00a4040006d27600012401");
    expect(await say(other, put)).toBe("6985");
  });

  test.each<[what: string, reset: (session: CardSession, policy: Policy) => unknown]>([
    ["reconnect", (session) => session.reconnect({ share: 2, protocols: 3 }, 1)],
    ["disconnect", (session) => session.disconnect(1)],
    ["unpower", (session) => session.disconnect(2)],
    ["cardWasReset", (_session, policy) => policy.cardWasReset(card.name)],
    ["foreignUse", (_session, policy) => policy.foreignUse(card.name)],
    [
      "the end of a transaction",
      async (session) => {
        await session.begin({ signal });
        await session.end(1);
      },
    ],
    [
      "death in a transaction",
      async (session) => {
        await session.begin({ signal });
        await session.abandon();
      },
    ],
    [
      "death in a transaction in which a command failed",
      async (session) => {
        await session.begin({ signal });
        await expect(say(session, fails)).rejects.toMatchObject({ rv: Rv.NotTransacted });
        for (const command of [PIV, PIV]) await say(session, command); // the second is believed
        expect(await say(session, put)).toBe("9000");
        await session.abandon();
      },
    ],
  ])("know nothing after: %s", async (_what, reset) => {
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], answers);
    const one = await open(policy.view(inner, grant()));
    const other = await open(policy.view(inner, grant()));
    await say(one, PIV);
    expect(await say(one, put)).toBe("9000");
    await reset(other, policy);
    await one.reconnect({ share: 2, protocols: 3 }, 0);
    expect(await say(one, put)).toBe("6985");
  });

  test("keep what the holder of a transaction selected, whoever waits to reset the card or is refused that", async () => {
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], answers);
    const [holder, other, late] = [
      await open(policy.view(inner, grant())),
      await open(policy.view(inner, grant())),
      await open(policy.view(inner, grant())),
    ];
    await holder.begin({ signal });
    await say(holder, PIV);
    await expect(other.reconnect({ share: 2, protocols: 3 }, 1)).rejects.toMatchObject({
      rv: Rv.SharingViolation,
    });
    expect(await say(holder, put)).toBe("9000");
    const waits = other.disconnect(1);
    await new Promise(setImmediate);
    expect(await say(holder, put)).toBe("9000");
    await holder.end(0);
    await waits;
    await late.reconnect({ share: 2, protocols: 3 }, 0);
    expect(await say(late, put)).toBe("6985");
  });

  test.each([
    ["is answered", undefined],
    ["failed, nobody knows after what", new Error("the line broke")],
  ])("know nothing from when a reset can happen until it %s", async (_how, failure) => {
    const policy = new Policy({ rules: allowed });
    const answered = deferred();
    const slow = withSessions(fakeService([card], answers), (session) => {
      const reconnect: CardSession["reconnect"] = async (how, initialization) => {
        const protocol = await session.reconnect(how, initialization);
        if (initialization === 0) return protocol;
        await answered.promise;
        if (failure) throw failure;
        return protocol;
      };
      return Object.assign(new ForwardingSession(session), { reconnect });
    });
    const [one, other] = [
      await open(policy.view(slow, grant())),
      await open(policy.view(slow, grant())),
    ];
    await say(one, PIV);
    const told = other.reconnect({ share: 2, protocols: 3 }, 1).catch((error: unknown) => error);
    await new Promise(setImmediate);
    const late = await open(policy.view(slow, grant())); // nobody tells it of a reset
    expect(await say(late, put)).toBe("6985");
    await say(late, PIV);
    answered.resolve();
    expect(await told).toBe(failure ?? 2);
    expect(await say(late, put)).toBe("6985");
  });

  test("know nothing of a card that its holder wanted to reset, which failed", async () => {
    const policy = new Policy({ rules: allowed });
    const failing = withSessions(fakeService([card], answers), (session) =>
      Object.assign(new ForwardingSession(session), {
        end: () => Promise.reject(new ReturnCodeError("SCardEndTransaction", Rv.CommError)),
      }),
    );
    const holder = await open(policy.view(failing, grant()));
    await holder.begin({ signal });
    await say(holder, PIV);
    expect(await say(holder, put)).toBe("9000");
    await expect(holder.end(1)).rejects.toMatchObject({ rv: Rv.CommError });
    expect(await say(holder, put)).toBe("6985");
  });

  test("know nothing after death with the transaction that exclusive access leaves", async () => {
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], answers);
    const exclusive = await open(policy.view(inner, grant()), { share: 1 });
    await exclusive.reconnect({ share: 2, protocols: 3 }, 0);
    await say(exclusive, PIV);
    const one = await open(policy.view(inner, grant()));
    await exclusive.abandon();
    expect(await say(one, put)).toBe("6985");
  });

  test("a transaction is not relied on after a reconnect: it may have been taken away before", async () => {
    const policy = new Policy();
    const inner = fakeService([card], answers);
    const one = await open(policy.view(inner, grant()));
    await open(policy.view(inner, grant()));
    await one.begin({ signal });
    await one.reconnect({ share: 2, protocols: 3 }, 0);
    const before = inner.log.length;
    await say(one, PIV);
    expect(inner.log.slice(before)).toEqual(["begin", `transmit ${PIV}`, "end 0"]);
  });

  test("know nothing after a reset by somebody else, or another card", async () => {
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], answers);
    const one = await open(policy.view(inner, grant()));
    await say(one, PIV);
    const foreign = await open(inner);
    await foreign.disconnect(1);
    await expect(say(one, put)).rejects.toMatchObject({ rv: Rv.ResetCard });
    await one.reconnect({ share: 2, protocols: 3 }, 0);
    expect(await say(one, put)).toBe("6985");
    await say(one, PIV);
    expect(await say(one, put)).toBe("9000");
    inner.pull(card.name);
    inner.insert(card.name, atr);
    await one.reconnect({ share: 2, protocols: 3 }, 0);
    expect(await say(one, put)).toBe("6985");
  });

  test("rely on a transaction where somebody uses the card past the policy", async () => {
    const inner = fakeService([card], answers);
    const one = await open(new Policy({ rules: allowed }).view(inner, grant()));
    await open(inner);
    await say(one, PIV);
    expect(await say(one, put)).toBe("6985");
    await one.begin({ signal });
    await say(one, PIV);
    expect(await say(one, put)).toBe("9000");
    await one.end(0);
    expect(await say(one, put)).toBe("6985");
    let foreignUse: "seen" | "told" = "told";
    const told = new Policy({ rules: allowed, foreignUse: () => foreignUse });
    const trusting = await open(told.view(inner, grant()));
    await say(trusting, PIV);
    expect(await say(trusting, put)).toBe("9000");
    foreignUse = "seen"; // from the next command on, although nothing else has changed
    await say(trusting, PIV);
    expect(await say(trusting, put)).toBe("6985");
  });

  test("a command is judged when the card is the session's own", async () => {
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], answers);
    const one = await open(policy.view(inner, grant()));
    const other = await open(policy.view(inner, grant()));
    await say(one, PIV);
    await one.begin({ signal });
    await expect(say(other, put)).rejects.toMatchObject({ rv: Rv.SharingViolation });
    await say(one, "00a4040006d27600012401");
    await one.end(0);
    expect(await say(other, put)).toBe("6985");
  });

  test("a command that was sent before another session came is answered before that begins", async () => {
    const answer = deferred<Uint8Array>();
    const isSent = deferred();
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], {
      transmit: () => {
        isSent.resolve();
        return answer.promise;
      },
    });
    const one = await open(policy.view(inner, grant()));
    const sent = say(one, "00b0000000");
    await isSent.promise;
    let isOpen = false;
    const coming = open(policy.view(inner, grant())).then(() => (isOpen = true));
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    expect(isOpen).toBe(false);
    answer.resolve(hex("9000"));
    await Promise.all([sent, coming]);
  });

  test("one that was told that it lost the card does not rely on its transaction", async () => {
    let isLost = false;
    const policy = new Policy({ rules: allowed });
    const inner = fakeService([card], {
      ...answers,
      before: ({ name }) => {
        if (isLost && name === "transmit")
          throw new ReturnCodeError("SCardTransmit", Rv.ReaderUnavailable);
      },
    });
    const one = await open(policy.view(inner, grant()));
    await open(policy.view(inner, grant()));
    await one.begin({ signal });
    isLost = true;
    await expect(say(one, PIV)).rejects.toMatchObject({ rv: Rv.ReaderUnavailable });
    isLost = false;
    const before = inner.log.length;
    await say(one, PIV);
    expect(inner.log.slice(before).map((call) => call.split(" ")[0])).toEqual([
      "begin",
      "transmit",
      "end",
    ]);
  });

  test("a command of unknown fate leaves nothing known", async () => {
    let isBroken = false;
    const inner = fakeService([card], {
      ...answers,
      before: ({ name }) => {
        if (isBroken && name === "transmit") throw new Error("broken");
      },
    });
    const one = await open(new Policy({ rules: allowed }).view(inner, grant()));
    await say(one, PIV);
    isBroken = true;
    await expect(say(one, put)).rejects.toThrow("broken");
    isBroken = false;
    expect(await say(one, put)).toBe("6985");
  });
});

describe("the PIN guard", () => {
  const PIV = "00a4040005a000000308";
  const WRONG = "0020008008313233343537ffff";
  const RIGHT = "0020008008313233343536ffff";

  test("keeps the last try, over resets, for those who may not block a card", async () => {
    const readers = new SoftwareReaders([card.name]);
    const piv = new PivCard(emptyState(1));
    await readers.insert(card.name, piv);
    const policy = new Policy();
    const user = await open(policy.view(readers, grant()));
    await say(user, PIV);
    expect(await say(user, WRONG)).toBe("63c2");
    expect(await say(user, WRONG)).toBe("63c1");
    expect(await say(user, WRONG)).toBe("6983");
    expect(await say(user, RIGHT)).toBe("6983");
    await user.reconnect({ share: 2, protocols: 3 }, 1);
    await say(user, PIV);
    expect(await say(user, RIGHT)).toBe("6983");
    expect(await say(user, "00200080")).toBe("63c1");
    expect(piv.state.pin.triesLeft).toBe(1);
    const manager = await open(policy.view(readers, grant({ profile: "manage" })));
    await manager.begin({ signal });
    await say(manager, PIV);
    expect(await say(manager, RIGHT)).toBe("9000");
    await manager.end(0);
    await manager.disconnect(0);
    await say(user, PIV);
    expect(await say(user, WRONG)).toBe("63c2");
    await readers[Symbol.asyncDispose]();
  });

  test("lets those use the last try who may", async () => {
    const readers = new SoftwareReaders([card.name]);
    await readers.insert(card.name, new PivCard(emptyState(1)));
    const own = grant({ mayBlockCards: true });
    const user = await open(new Policy().view(readers, own));
    await say(user, PIV);
    for (const sw of ["63c2", "63c1", "63c0", "6983"]) expect(await say(user, WRONG)).toBe(sw);
    await readers[Symbol.asyncDispose]();
  });
});
