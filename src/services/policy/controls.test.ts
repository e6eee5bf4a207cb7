import { describe, expect, test } from "vitest";
import type { CardSession } from "../../domain/card-service.ts";
import { Rv } from "../../domain/return-codes.ts";
import { fakeReader, fakeService } from "../../testing/index.ts";
import { FEATURE_QUERY, pinCommand, readFeatures } from "./controls.ts";
import { Policy } from "./policy.ts";
import type { Profile } from "./profiles.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const card = fakeReader("Pad 00 00", { atr: Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01) });
const { signal } = new AbortController();

/** As libccid answers for a reader with a PIN pad. */
const ANSWER = hex(
  "010442330001 020442330002 060442330006 070442330007 0a044233000a 120442330012 130442330013",
);
const [START, FINISH] = [0x42330001, 0x42330002];
const [VERIFY, MODIFY, PROPERTIES, TLV_PROPERTIES, ESCAPE] = [
  0x42330006, 0x42330007, 0x4233000a, 0x42330012, 0x42330013,
];
const header = "1e1e 82 04 08 0804 02 01 0904 00 000000";
/** PIN_VERIFY_STRUCTURE around a command. */
const structure = (apdu: string, length = hex(apdu).length): Uint8Array =>
  hex(`${header} ${length.toString(16).padStart(2, "0")}000000 ${apdu}`);
const VERIFY_PIN = "00200080 08 ffffffffffffffff";

async function session(profile: Profile, sw: string | ((code: number) => string) = "9000") {
  const inner = fakeService([card], {
    transmit: () => hex("9000"),
    control: (code) =>
      code === FEATURE_QUERY ? ANSWER : hex(typeof sw === "string" ? sw : sw(code)),
  });
  const grant = { principal: { name: "alice" }, profile, readers: ["*"] };
  const view = new Policy().view(inner, grant);
  const how = { share: 2, protocols: 3, principal: grant.principal };
  const { session: one } = await view.connect(card.name, how, { signal });
  return { one, inner };
}
const isAllowed = (
  one: CardSession,
  code: number,
  data: Uint8Array = new Uint8Array(0),
): Promise<boolean> =>
  one.control(code, data).then(
    () => true,
    (error: unknown) => {
      expect(error).toMatchObject({ rv: Rv.SecurityViolation });
      return false;
    },
  );

test("features are what the reader's answer says; a code for two of them is none", () => {
  const codes = readFeatures(hex("060400000001 070400000001 120400000002 99"));
  expect(codes.get(1)?.does).toBe("manages");
  expect(codes.get(2)?.does).toBe("tells");
  expect(readFeatures(hex("0603000001"))).toEqual(new Map());
});

test.each<[what: string, code: number | undefined, least: Profile]>([
  ["the feature query", FEATURE_QUERY, "look"],
  ["IFD_PIN_PROPERTIES", PROPERTIES, "look"],
  ["GET_TLV_PROPERTIES", TLV_PROPERTIES, "look"],
  ["MODIFY_PIN_DIRECT", MODIFY, "manage"],
  ["CCID_ESC_COMMAND", ESCAPE, "manage"],
  ["the escape command of pcsc-lite", 0x42000001, "manage"],
  ["the escape command of Windows", 0x42000dac, "manage"],
  ["a code that the reader does not have", 0x42330099, "manage"],
])("%s takes %#x", async (_what, code = 0, least) => {
  for (const profile of ["look", "use", "manage"] as const) {
    const { one } = await session(profile);
    const order = ["look", "use", "manage"];
    expect(await isAllowed(one, code)).toBe(order.indexOf(profile) >= order.indexOf(least));
  }
});

describe("VERIFY at a PIN pad", () => {
  test("is for who may use, also where he knows the code from before", async () => {
    const { one, inner } = await session("use");
    expect(await isAllowed(one, VERIFY, structure(VERIFY_PIN))).toBe(true);
    expect(inner.log.slice(1)).toEqual(["control 0x42000d48", "control 0x42330006"]);
    expect(await isAllowed((await session("look")).one, VERIFY, structure(VERIFY_PIN))).toBe(false);
  });

  test.each([
    ["CHANGE REFERENCE DATA", structure("00240080 08 ffffffffffffffff")],
    ["RESET RETRY COUNTER", structure("002c0080 08 ffffffffffffffff")],
    ["PUT DATA", structure("00db3fff 08 ffffffffffffffff")],
    ["secure messaging", structure("0c200080 08 ffffffffffffffff")],
    ["a part of a command", structure("10200080 08 ffffffffffffffff")],
    ["a maker's class", structure("80200080 08 ffffffffffffffff")],
    ["another P1", structure("0020ff80")],
    ["half a header", structure("002000")],
    ["a length that lies", structure(VERIFY_PIN, 4)],
    ["nothing", new Uint8Array(0)],
    ["a command without its structure", hex(VERIFY_PIN)],
    ["more than a command", structure(`00200080 08 ${"ff".repeat(300)}`)],
  ])("with %s in it is not", async (_what, data) => {
    const { one, inner } = await session("use");
    expect(await isAllowed(one, VERIFY, data)).toBe(false);
    expect(inner.log).not.toContain("control 0x42330006");
  });

  test("is a VERIFY of what is selected: not of an administrator's PIN", async () => {
    const { one } = await session("use");
    await one.transmit(hex("00a4040006d27600012401"), { send: 2, receive: 2 });
    expect(await isAllowed(one, VERIFY, structure("00200081"))).toBe(true);
    expect(await isAllowed(one, VERIFY, structure("00200083"))).toBe(false);
  });

  test("costs a try, and the last one is kept", async () => {
    const { one, inner } = await session("use", "63c1");
    expect(await isAllowed(one, VERIFY, structure(VERIFY_PIN))).toBe(true);
    expect(await isAllowed(one, VERIFY, structure(VERIFY_PIN))).toBe(false);
    const { data } = await one.transmit(hex(`0020008008${"31".repeat(8)}`), {
      send: 2,
      receive: 2,
    });
    expect(Buffer.from(data).toString("hex")).toBe("6983");
    expect(inner.log.filter((call) => call === "control 0x42330006").length).toBe(1);
  });

  test("in the byte order of a big-endian host", () => {
    expect(pinCommand(hex(`${header} 00000004 00200081`))?.p2).toBe(0x81);
  });
});

describe("VERIFY at a PIN pad in two steps", () => {
  /** What the reader says at the end, one after the other. */
  const two = async (...words: readonly string[]) => {
    const said = [...words];
    const answer = (code: number) => (code === FINISH ? (said.shift() ?? "9000") : "");
    const { one, inner } = await session("use", answer);
    const begins = () => isAllowed(one, START, structure(VERIFY_PIN));
    return { one, inner, begins, finishes: () => isAllowed(one, FINISH) };
  };

  test("costs a try when it is finished, and the last one is kept", async () => {
    const { begins, finishes } = await two("63c2", "63c1");
    for (let tries = 0; tries < 2; tries += 1) {
      expect(await begins()).toBe(true);
      expect(await finishes()).toBe(true);
    }
    expect(await begins()).toBe(false);
  });

  test("costs one also if nobody asks what came of it", async () => {
    const { begins, finishes } = await two("63c2");
    await begins();
    await finishes();
    expect(await begins()).toBe(true);
    expect(await begins()).toBe(false);
  });

  test("costs none if no PIN was entered", async () => {
    const { begins, finishes } = await two("63c2", "6401", "6400", "9000");
    for (let tries = 0; tries < 4; tries += 1) {
      expect(await begins()).toBe(true);
      expect(await finishes()).toBe(true);
    }
  });

  test("is finished by who has begun it, once", async () => {
    const { begins, finishes, inner } = await two();
    expect(await finishes()).toBe(false);
    await begins();
    expect(await finishes()).toBe(true);
    expect(await finishes()).toBe(false);
    expect(inner.log.filter((call) => call === "control 0x42330002")).toHaveLength(1);
  });
});

test("attributes are read by all, and set by who manages", async () => {
  const look = await session("look");
  expect(await look.one.getAttribute(0x90303)).toEqual(card.atr);
  await expect(look.one.setAttribute(1, hex("00"))).rejects.toMatchObject({
    rv: Rv.SecurityViolation,
  });
  const manage = await session("manage");
  await expect(manage.one.setAttribute(1, hex("00"))).rejects.toMatchObject({
    rv: Rv.UnsupportedFeature,
  });
});
