import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CommandApdu, encodeCommand, parseCommand, parseResponse } from "./apdu.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const head = { cla: 0x00, ins: 0xa4, p1: 0x04, p2: 0x0c };
const none = new Uint8Array(0);

// ISO/IEC 7816-4:2020, table 2, by hand.
const cases: readonly (readonly [string, string, CommandApdu])[] = [
  ["1", "00A4040C", { ...head, data: none }],
  ["2 short", "00A4040C 10", { ...head, data: none, le: 16 }],
  ["2 short, all", "00A4040C 00", { ...head, data: none, le: 256 }],
  ["2 extended", "00A4040C 00 0123", { ...head, data: none, le: 0x123 }],
  ["2 extended, all", "00A4040C 00 0000", { ...head, data: none, le: 65_536 }],
  ["3 short", "00A4040C 02 C0DE", { ...head, data: hex("C0DE") }],
  ["3 extended", `00A4040C 00 0100 ${"5A".repeat(256)}`, { ...head, data: hex("5A".repeat(256)) }],
  ["4 short", "00A4040C 02 C0DE 00", { ...head, data: hex("C0DE"), le: 256 }],
  ["4 extended", "00A4040C 00 0002 C0DE 0101", { ...head, data: hex("C0DE"), le: 0x101 }],
];

describe.each(cases)("case %s", (_, text, apdu) => {
  test("is read", () => {
    const read = parseCommand(hex(text));
    expect({ ...read, data: Buffer.from(read?.data ?? []) }).toEqual({
      ...apdu,
      data: Buffer.from(apdu.data),
    });
  });
  test("is written", () => {
    expect(Buffer.from(encodeCommand(apdu))).toEqual(hex(text));
  });
});

test.each([
  ["too short", "00A404"],
  ["empty", ""],
  ["fewer data than Lc", "00A4040C 05 C0DE"],
  ["more than Le behind the data", "00A4040C 02 C0DE 0000"],
  ["extended Lc of 0 with more behind", "00A4040C 00 0000 0100"],
  ["half an extended length", "00A4040C 00 01"],
  ["a short Le behind extended data", "00A4040C 00 0002 C0DE 01"],
])("%s is none", (_, text) => {
  expect(parseCommand(hex(text))).toBeUndefined();
});

test("what is written is read back, whatever it is", () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const any = fc.record(
    {
      cla: byte,
      ins: byte,
      p1: byte,
      p2: byte,
      data: fc.uint8Array({ maxLength: 600 }),
      le: fc.integer({ min: 1, max: 65_536 }),
    },
    { requiredKeys: ["cla", "ins", "p1", "p2", "data"] },
  );
  fc.assert(
    fc.property(any, (apdu) => {
      expect(parseCommand(encodeCommand(apdu))).toEqual(apdu);
    }),
  );
});

test.each([
  [{ ...head, cla: 256, data: none }],
  [{ ...head, p2: 1.5, data: none }],
  [{ ...head, data: new Uint8Array(65_536) }],
  [{ ...head, data: none, le: 0 }],
  [{ ...head, data: none, le: 65_537 }],
])("what cannot be written is refused", (apdu) => {
  expect(() => encodeCommand(apdu)).toThrow(RangeError);
});

test("a response ends in its status word", () => {
  expect(parseResponse(hex("C0DE 6A82"))).toEqual({ data: hex("C0DE"), sw: 0x6a82 });
  expect(parseResponse(hex("90"))).toBeUndefined();
});
