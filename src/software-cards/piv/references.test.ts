import { beforeEach, describe, expect, test } from "vitest";
import { PivCard } from "./card.ts";
import { emptyState, padPin, reference } from "./state.ts";

const SELECT = "00a4040005a000000308";
const PIN = "313233343536ffff";
const WRONG = "313233343537ffff";
const NEW = "3837363534333231";
const PUK = "3132333435363738";

let card: PivCard;
const say = async (command: string): Promise<string> =>
  Buffer.from(await card.process(Buffer.from(command, "hex"))).toString("hex");
const verify = (pin: string) => say(`0020008008${pin}`);
const isVerified = async () => (await say("00200080")) === "9000";

beforeEach(async () => {
  card = new PivCard(emptyState(1));
  await say(SELECT);
});

describe("VERIFY", () => {
  test("counts, blocks, and forgets on the way", async () => {
    expect(await say("00200080")).toBe("63c3");
    expect(await verify(PIN)).toBe("9000");
    expect(await isVerified()).toBe(true);
    expect(await verify(WRONG)).toBe("63c2");
    expect(await isVerified()).toBe(false);
    expect(await say("00200080")).toBe("63c2");
    expect(await verify(WRONG)).toBe("63c1");
    expect(await verify(WRONG)).toBe("63c0");
    expect(await verify(PIN)).toBe("6983");
    expect(await say("00200080")).toBe("6983");
  });

  test("gives the tries back", async () => {
    await verify(WRONG);
    expect(await verify(PIN)).toBe("9000");
    await say("0020ff80");
    expect(await say("00200080")).toBe("63c3");
  });

  test.each([
    ["letters", "616263646566ffff"],
    ["five digits", "3132333435ffffff"],
    ["padding in the middle", "313233ff343536ff"],
    ["another padding", "3132333435360000"],
    ["nothing but padding", "ffffffffffffffff"],
  ])("of %s costs a try", async (_what, pin) => {
    await verify(PIN);
    expect(await verify(pin)).toBe("63c2");
    expect(await say("00200080")).toBe("63c2");
  });

  test.each([
    ["seven bytes", "002000800731323334353637", "6a80"],
    ["nine bytes", `0020008009${PIN}ff`, "6a80"],
    ["the global PIN of a card that has none", `0020000008${PIN}`, "6a88"],
    ["the PUK", `0020008108${PUK}`, "6a88"],
    ["a fingerprint", "00200096", "6a88"],
    ["with another P1", `0020018008${PIN}`, "6a86"],
    ["a logout of what there is not", "0020ff81", "6a88"],
    ["a logout with data", `0020ff8008${PIN}`, "6a80"],
  ])("%s is answered %s", async (_what, command, sw) => {
    expect(await say(command)).toBe(sw);
    expect(await say("00200080")).toBe("63c3");
  });

  test("logs out", async () => {
    await verify(PIN);
    expect(await say("0020ff80")).toBe("9000");
    expect(await isVerified()).toBe(false);
  });
});

describe("CHANGE REFERENCE DATA", () => {
  const change = (which: string, old: string, next: string) => say(`002400${which}10${old}${next}`);

  test("changes the PIN, which is verified then", async () => {
    expect(await change("80", PIN, NEW)).toBe("9000");
    expect(await isVerified()).toBe(true);
    expect(await verify(PIN)).toBe("63c2");
    expect(await verify(NEW)).toBe("9000");
  });

  test("changes the PUK", async () => {
    expect(await change("81", PUK, "ffffffffffffffff")).toBe("9000");
    expect(await say(`002c008010${PUK}${NEW}`)).toBe("63c2");
    expect(await say(`002c008010ffffffffffffffff${NEW}`)).toBe("9000");
  });

  test("counts and blocks", async () => {
    await verify(PIN);
    // The old one is looked at first, whatever comes after it.
    expect(await change("80", WRONG, "ffffffffffffffff")).toBe("63c2");
    expect(await isVerified()).toBe(false);
    expect(await change("80", WRONG, NEW)).toBe("63c1");
    expect(await change("80", WRONG, NEW)).toBe("63c0");
    expect(await change("80", PIN, NEW)).toBe("6983");
    expect(await change("81", WRONG, NEW)).toBe("63c2");
  });

  test.each([
    ["a new PIN that is none", `0024008010${PIN}3132333435ffffff`, "6a80"],
    ["too little", `0024008008${PIN}`, "6a80"],
    ["too much", `0024008011${PIN}${NEW}ff`, "6a80"],
    ["no data", "00240080", "6a80"],
    ["another P1", `0024018010${PIN}${NEW}`, "6a86"],
    ["a global PIN that is not there", `0024000010${PIN}${NEW}`, "6a88"],
    ["an unknown reference", `0024008210${PIN}${NEW}`, "6a88"],
  ])("%s is answered %s, and costs nothing", async (_what, command, sw) => {
    expect(await say(command)).toBe(sw);
    expect(await say("00200080")).toBe("63c3");
  });
});

describe("RESET RETRY COUNTER", () => {
  const unblock = (puk: string, pin: string) => say(`002c008010${puk}${pin}`);

  test("unblocks the PIN with a new one", async () => {
    for (let i = 0; i < 3; i++) await verify(WRONG);
    expect(await unblock(PUK, NEW)).toBe("9000");
    expect(await say("00200080")).toBe("63c3");
    expect(await verify(NEW)).toBe("9000");
  });

  test("counts and blocks for good", async () => {
    expect(await unblock(PIN, NEW)).toBe("63c2");
    expect(await unblock(PUK, NEW)).toBe("9000");
    for (const sw of ["63c2", "63c1", "63c0", "6983"]) expect(await unblock(PIN, NEW)).toBe(sw);
    expect(await unblock(PUK, NEW)).toBe("6983");
    expect(await say(`0024008110${PUK}${PUK}`)).toBe("6983");
  });

  test("with a wrong PUK ends what the PIN let in; with the right one it does not", async () => {
    await verify(PIN);
    expect(await unblock(PUK, NEW)).toBe("9000");
    expect(await isVerified()).toBe(true);
    expect(await unblock(PIN, NEW)).toBe("63c2");
    expect(await isVerified()).toBe(false);
  });

  // So ykman's "piv reset" blocks both before it resets the card.
  test("and VERIFY are blocked with nothing but padding", async () => {
    const nothing = "ffffffffffffffff";
    for (const sw of ["63c2", "63c1", "63c0", "6983"]) {
      expect(await verify(nothing)).toBe(sw);
      expect(await unblock(nothing, nothing)).toBe(sw);
    }
    expect(await say("00fb0000")).toBe("9000");
    expect(await verify(PIN)).toBe("9000");
  });

  test.each([
    ["a new PIN that is none", `002c008010${PUK}3132333435ffffff`, "6a80"],
    ["too little", `002c008008${PUK}`, "6a80"],
    ["the PUK", `002c008110${PUK}${PIN}`, "6a88"],
    ["the global PIN", `002c000010${PUK}${PIN}`, "6a88"],
    ["another P1", `002c018010${PUK}${PIN}`, "6a86"],
  ])("%s is answered %s", async (_what, command, sw) => {
    expect(await say(command)).toBe(sw);
    expect(await say("00200080")).toBe("63c3");
  });
});

describe("a card with a global PIN", () => {
  beforeEach(async () => {
    card = new PivCard({ ...emptyState(1), globalPin: reference(padPin("471147")) });
    await say(SELECT);
  });

  test("says so in its discovery object", async () => {
    expect(await say("00cb3fff035c017e00")).toBe("7e124f0ba0000003080000100001005f2f0260109000");
  });

  test("takes it, and counts it by itself", async () => {
    expect(await say(`0020000008${WRONG}`)).toBe("63c2");
    expect(await say("00200080")).toBe("63c3");
    expect(await say("0020000008343731313437ffff")).toBe("9000");
    expect(await say("00200000")).toBe("9000");
    // Printed information, which wants a PIN, is not there: but it may be looked for.
    expect(await say("00cb3fff055c035fc10900")).toBe("6a82");
    expect(await say("0020ff00")).toBe("9000");
    expect(await say("00cb3fff055c035fc10900")).toBe("6982");
  });
});
