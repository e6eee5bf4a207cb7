import { describe, expect, test } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import { parseAtr } from "../../wire/iso7816/atr.ts";
import { PivCard } from "./card.ts";
import { emptyState } from "./state.ts";

const SELECT = "00a404000ba00000030800001000010000";
const TEMPLATE = "61114f0600001000010079074f05a000000308";

async function say(card: PivCard, command: string): Promise<string> {
  return Buffer.from(await card.process(Buffer.from(command, "hex"))).toString("hex");
}

describe("SELECT", () => {
  // SP 800-73-4 part 2, 3.1.1: the whole identifier, without the version, or the RID alone.
  test.each([
    ["the whole identifier", SELECT],
    ["without its version", "00a4040009a00000030800001000"],
    ["NIST's part alone", "00a4040005a000000308"],
  ])("finds it by %s", async (_what, command) => {
    expect(await say(new PivCard(emptyState(1)), command)).toBe(`${TEMPLATE}9000`);
  });

  test.each([
    ["another application", "00a4040007a0000005271001", "6a82"],
    ["another version", "00a404000ba000000308000010000200", "6a82"],
    ["a longer identifier", "00a404000ca0000003080000100001000000", "6a82"],
    ["less than NIST's part", "00a4040004a0000003", "6a82"],
    ["nothing", "00a40400", "6a82"],
    ["by file identifier", "00a40000023f00", "6a86"],
    ["the next one", "00a4040205a000000308", "6a86"],
  ])("%s: %s is answered %s", async (_what, command, sw) => {
    expect(await say(new PivCard(emptyState(1)), command)).toBe(sw);
  });

  test("again leaves the PIN verified, as does an application that is not there", async () => {
    const card = new PivCard(emptyState(1));
    await say(card, SELECT);
    expect(await say(card, "0020008008313233343536ffff")).toBe("9000");
    await say(card, SELECT);
    expect(await say(card, "00a4040007a0000005271001")).toBe("6a82");
    expect(await say(card, "00200080")).toBe("9000");
  });
});

describe("what is no command of the card", () => {
  test.each([
    ["before SELECT", "00200080", "6d00"],
    ["an unknown instruction before SELECT", "00100000", "6d00"],
    ["too short", "00a404", "6700"],
    ["contradicting lengths", "00a4040005a0000003", "6700"],
    ["another class", "80cb3fff", "6e00"],
    ["a proprietary class", "ffca0000", "6e00"],
    ["secure messaging", "0ccb3fff", "6882"],
    ["another channel", "01cb3fff", "6881"],
    ["GET RESPONSE for nothing", "00c0000000", "6985"],
  ])("%s: %s is answered %s", async (_what, command, sw) => {
    expect(await say(new PivCard(emptyState(1)), command)).toBe(sw);
  });

  test("an unknown instruction", async () => {
    const card = new PivCard(emptyState(1));
    await say(card, SELECT);
    expect(await say(card, "00b0000000")).toBe("6d00");
  });
});

test("its ATR offers T=1, and its check byte fits", () => {
  const { atr } = new PivCard(emptyState(1));
  expect(parseAtr(atr)).toMatchObject({ offered: 2, first: 2 });
  expect(atr.subarray(1).reduce((sum, byte) => sum ^ byte, 0)).toBe(0);
  expect(Buffer.from(atr).includes("cardwire")).toBe(true);
});

test("a reset takes everything back", async () => {
  const card = new PivCard(emptyState(1));
  await say(card, SELECT);
  await say(card, "0020008008313233343536ffff");
  card.reset();
  expect(await say(card, "00200080")).toBe("6d00");
  await say(card, SELECT);
  expect(await say(card, "00200080")).toBe("63c3");
});

test("a reset in the middle of a command: what it let in is not let in", async () => {
  const stored = deferred();
  const save = () => stored.promise;
  const state = emptyState(1);
  const card = new PivCard({ ...state, pin: { ...state.pin, triesLeft: 2 } }, { save });
  await say(card, SELECT);
  const verified = say(card, "0020008008313233343536ffff");
  card.reset();
  stored.resolve();
  await verified;
  await say(card, SELECT);
  expect(await say(card, "00200080")).toBe("63c3");
});

test("what cannot be stored has not happened", async () => {
  const failing = { save: () => Promise.reject(new Error("no space left")) };
  const card = new PivCard(emptyState(1), failing);
  await say(card, SELECT);
  const change = "0024008010313233343536ffff343731313437ffff";
  expect(await say(card, change)).toBe("6581");
  expect(await say(card, "00200080")).toBe("63c3");
  expect(card.state).toEqual(emptyState(1));
});
