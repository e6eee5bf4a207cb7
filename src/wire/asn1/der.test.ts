import { expect, test } from "vitest";
import {
  bitString,
  boolean,
  explicit,
  implicit,
  namedBits,
  nothing,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  unsignedInteger,
  utf8String,
} from "./der.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Buffer.from(text, "hex");

// X.690's own examples (clause 8), and what openssl asn1parse shows of certificates.
test.each([
  ["a sequence", sequence(boolean(true), nothing()), "30050101ff0500"],
  ["false", boolean(false), "010100"],
  ["a set", setOf(nothing()), "31020500"],
  ["0", unsignedInteger(bytes("")), "020100"],
  ["127", unsignedInteger(bytes("007f")), "02017f"],
  ["128", unsignedInteger(bytes("80")), "02020080"],
  ["65,537", unsignedInteger(bytes("010001")), "0203010001"],
  ["2.999.3", objectIdentifier("2.999.3"), "0603883703"],
  ["rsaEncryption", objectIdentifier("1.2.840.113549.1.1.1"), "06092a864886f70d010101"],
  ["commonName", objectIdentifier("2.5.4.3"), "0603550403"],
  ["octets", octetString(bytes("0102"), bytes("03")), "0403010203"],
  ["bits", bitString(bytes("0a3b5f291cd0"), 4), "0307040a3b5f291cd0"],
  ["digitalSignature", namedBits(0), "03020780"],
  ["digitalSignature and nonRepudiation", namedBits(0, 1), "030206c0"],
  ["keyCertSign", namedBits(5), "03020204"],
  ["text", utf8String("é"), "0c02c3a9"],
  [
    "a time of this century",
    time(new Date("2026-11-24T10:00:05.9Z")),
    "170d3236313132343130303030355a",
  ],
  [
    "the last of two digits",
    time(new Date("2049-12-31T23:59:59Z")),
    "170d3439313233313233353935395a",
  ],
  ["one after them", time(new Date("2050-01-01T00:00:00Z")), "180f32303530303130313030303030305a"],
  ["[0] around", explicit(0, nothing()), "a0020500"],
  ["[0] instead", implicit(0, bytes("0102")), "80020102"],
])("%s", (_what, written, expected) => {
  expect(hex(written)).toBe(expected);
});
