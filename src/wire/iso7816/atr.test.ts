import { expect, test } from "vitest";
import { parseAtr } from "./atr.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const T0 = 1;
const T1 = 2;

// Answers of real cards and readers, read by hand along ISO/IEC 7816-3, clause 8.2.
test.each([
  ["no interface bytes", "3B 00", T0, T0, ""],
  ["T=0 and T=1", "3B 80 80 01 01", T0 | T1, T0, ""],
  ["T=1 only", "3B 80 01 81", T1, T1, ""],
  [
    "a YubiKey 5",
    "3B FD 13 00 00 81 31 FE 15 80 73 C0 21 C0 57 59 75 62 69 4B 65 79 40",
    T1,
    T1,
    "8073c021c057597562694b6579",
  ],
  [
    "a German identity card",
    "3B 8A 80 01 80 31 B8 73 84 01 E0 82 90 00 06",
    T0 | T1,
    T0,
    "8031b8738401e0829000",
  ],
  ["inverse convention", "3F 65 25 00 2C 09 69 90 00", T0, T0, "2c09699000"],
  ["specific mode, T=1", "3B 90 91 81 31 FE 15 00", T1, T1, ""],
])("%s", (_, text, offered, first, historical) => {
  const read = parseAtr(hex(text));
  expect({ ...read, historical: Buffer.from(read?.historical ?? []).toString("hex") }).toEqual({
    offered,
    first,
    historical,
  });
});

test.each([
  ["empty", ""],
  ["one byte", "3B"],
  ["no TS", "00 00"],
  ["ends before a TD", "3B 80"],
  ["ends before its historical bytes", "3B 05 01 02"],
])("%s is none", (_, text) => {
  expect(parseAtr(hex(text))).toBeUndefined();
});
