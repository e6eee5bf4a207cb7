import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CardwireError } from "../../domain/errors.ts";
import { encodeTlv, findTlv, parseTlv } from "./tlv.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

test("tags of one, two and three bytes, lengths of one, two and three", () => {
  const long = "5A".repeat(200);
  const longer = "A5".repeat(300);
  const bytes = hex(`53 02 C0DE 7F49 81C8 ${long} 5FC102 82012C ${longer}`);
  expect(parseTlv(bytes).map(({ tag, value }) => [tag, Buffer.from(value)])).toEqual([
    [0x53, hex("C0DE")],
    [0x7f49, hex(long)],
    [0x5fc102, hex(longer)],
  ]);
  expect(Buffer.from(encodeTlv(0x7f49, hex(long)))).toEqual(hex(`7F49 81C8 ${long}`));
  expect(Buffer.from(encodeTlv(0x5fc102, hex(longer)))).toEqual(hex(`5FC102 82012C ${longer}`));
});

test("the first with a tag is found, and none where there is none", () => {
  expect(findTlv(hex("80 01 01 81 01 02 80 01 03"), 0x80)).toEqual(hex("01"));
  expect(findTlv(hex("80 01 01"), 0x82)).toBeUndefined();
});

test.each([
  ["ends in a tag", "7F"],
  ["ends in a length", "53 82 01"],
  ["announces more than there is", "53 05 0102"],
  ["a tag of four bytes", "7F 81 82 83 01 00"],
  ["a length of four bytes", "53 84 00000001 00"],
  ["an indefinite length", "30 80 00 00"],
])("%s is refused", (_, text) => {
  expect(() => parseTlv(hex(text))).toThrow(expect.objectContaining({ code: "E_PROTOCOL" }));
});

test("whatever comes, it either reads or refuses", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(readOrRefused(bytes)).toBeLessThanOrEqual(bytes.length);
    }),
  );
});

/** How many bytes of values it read; nothing where it refused. */
function readOrRefused(bytes: Uint8Array): number {
  try {
    return parseTlv(bytes).reduce((sum, { value }) => sum + value.length, 0);
  } catch (error) {
    if (CardwireError.is(error) && error.code === "E_PROTOCOL") return 0;
    throw error;
  }
}
