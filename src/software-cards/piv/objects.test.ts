import { createCipheriv } from "node:crypto";
import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { encodeCommand } from "../../wire/iso7816/apdu.ts";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { PivCard } from "./card.ts";
import { emptyState } from "./state.ts";

const MANAGEMENT_KEY = Buffer.from("010203040506070801020304050607080102030405060708", "hex");

let card: PivCard;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const say = async (command: string | Uint8Array): Promise<string> =>
  hex(await card.process(typeof command === "string" ? Buffer.from(command, "hex") : command));

/** Proves with the well-known management key, by the single authentication. */
async function authenticate(): Promise<void> {
  const asked = await say("0087039b047c02810000");
  const cipher = createCipheriv("des-ede3-ecb", MANAGEMENT_KEY, null);
  const answer = cipher.update(Buffer.from(asked.slice(8, 24), "hex")).toString("hex");
  expect(await say(`0087039b0c7c0a8208${answer}`)).toBe("9000");
}

const putData = (tag: string, object: Uint8Array): Uint8Array =>
  Buffer.concat([encodeTlv(0x5c, Buffer.from(tag, "hex")), encodeTlv(0x53, object)]);

/** A command in parts of at most 255 bytes. */
function chained(ins: number, [p1, p2]: readonly [number, number], data: Uint8Array) {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += 255) {
    const isLast = at + 255 >= data.length;
    const part = data.subarray(at, at + 255);
    parts.push(encodeCommand({ cla: isLast ? 0 : 0x10, ins, p1, p2, data: part }));
  }
  return parts;
}

/** An answer with all its pieces. */
async function whole(command: Uint8Array): Promise<Buffer> {
  let answer = Buffer.from(await card.process(command));
  const pieces = [answer.subarray(0, -2)];
  while (answer.at(-2) === 0x61) {
    answer = Buffer.from(await card.process(Buffer.from("00c0000000", "hex")));
    pieces.push(answer.subarray(0, -2));
  }
  expect(hex(answer.subarray(-2))).toBe("9000");
  return Buffer.concat(pieces);
}

beforeEach(async () => {
  card = new PivCard(emptyState(1));
  await say("00a4040005a000000308");
});

describe("GET DATA", () => {
  test.each([
    ["the discovery object", "00cb3fff035c017e00", "7e124f0ba0000003080000100001005f2f0240009000"],
    ["what is not there", "00cb3fff055c035fc10200", "6a82"],
    ["a biometric group", "00cb3fff045c027f6100", "6a82"],
    ["fingerprints without a PIN", "00cb3fff055c035fc10300", "6982"],
    ["a face without a PIN", "00cb3fff055c035fc10800", "6982"],
    ["printed information without a PIN", "00cb3fff055c035fc10900", "6982"],
    ["irises without a PIN", "00cb3fff055c035fc12100", "6982"],
    ["the pairing code without a PIN", "00cb3fff055c035fc12300", "6982"],
    ["other parameters", "00cb3f00055c035fc10200", "6a86"],
    ["no tag list", "00cb3fff035a017e00", "6a80"],
    ["an empty tag list", "00cb3fff025c0000", "6a80"],
    ["a tag of four bytes", "00cb3fff065c045fc1020000", "6a80"],
    ["a broken tag list", "00cb3fff035c057e00", "6a80"],
    ["no data", "00cb3fff00", "6a80"],
  ])("of %s", async (_what, command, answer) => {
    expect(await say(command)).toBe(answer);
  });
});

describe("PUT DATA", () => {
  test("wants the management key", async () => {
    expect(await say("00db3fff085c035fc102530101")).toBe("6982");
  });

  test("stores, replaces and deletes", async () => {
    await authenticate();
    expect(await say("00db3fff085c035fc102530101")).toBe("9000");
    expect(await say("00cb3fff055c035fc10200")).toBe("5301019000");
    expect(await say("00db3fff085c035fc102530102")).toBe("9000");
    expect(await say("00cb3fff055c035fc10200")).toBe("5301029000");
    expect(await say("00db3fff075c035fc1025300")).toBe("9000");
    expect(await say("00cb3fff055c035fc10200")).toBe("6a82");
  });

  test.each([
    ["other parameters", "00db3f00085c035fc102530101", "6a86"],
    ["the discovery object", "00db3fff047e020102", "6a81"],
    ["a biometric group", "00db3fff057f61020102", "6a81"],
    ["a tag that no object has", "00db3fff065c0170530101", "6a81"],
    ["no object", "00db3fff055c035fc102", "6a80"],
    ["an object twice", "00db3fff0b5c035fc102530101530102", "6a80"],
    ["another tag for it", "00db3fff085c035fc102540101", "6a80"],
    ["a broken object", "00db3fff085c035fc102530501", "6a80"],
  ])("of %s", async (_what, command, answer) => {
    await authenticate();
    expect(await say(command)).toBe(answer);
  });

  test.each([16_385, 65_000])("has an end: not of %i bytes", async (size) => {
    await authenticate();
    const data = putData("5fc108", new Uint8Array(size));
    expect(await say(encodeCommand({ cla: 0, ins: 0xdb, p1: 0x3f, p2: 0xff, data }))).toBe("6a84");
  });

  test("of any length, in one piece or in parts, is read again as it was, in one piece or in parts", async () => {
    await authenticate();
    const object = fc.uint8Array({ minLength: 1, maxLength: 3_000, size: "max" });
    const head = { cla: 0, p1: 0x3f, p2: 0xff } as const;
    await fc.assert(
      fc.asyncProperty(object, fc.boolean(), fc.boolean(), async (value, isCut, isAskedInOne) => {
        const data = putData("5fc105", value);
        const parts = isCut
          ? chained(0xdb, [0x3f, 0xff], data)
          : [encodeCommand({ ...head, ins: 0xdb, data })];
        for (const part of parts) expect(await say(part)).toBe("9000");
        const wanted = Buffer.from("5c035fc105", "hex");
        const le = isAskedInOne ? 65_536 : 256;
        const read = await whole(encodeCommand({ ...head, ins: 0xcb, data: wanted, le }));
        expect(hex(read)).toBe(hex(encodeTlv(0x53, value)));
      }),
      { numRuns: 50 },
    );
  });
});

test("a card keeps so many objects and no more", async () => {
  await authenticate();
  const put = (n: number) =>
    say(
      `00db3fff085c035f${(0xff00 + n).toString(16)}5301${(n % 256).toString(16).padStart(2, "0")}`,
    );
  for (let n = 0; n < 128; n++) expect(await put(n)).toBe("9000");
  expect(await put(128)).toBe("6a84");
  expect(await put(5)).toBe("9000");
});
