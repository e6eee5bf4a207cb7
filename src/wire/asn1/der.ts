import { encodeTlv } from "../iso7816/tlv.ts";

// What certificates and keys are written in: DER (ITU-T X.690, clause 10). Its data objects are BER-TLV's.

/** Universal tags (X.680, table 1). */
const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  Null: 0x05,
  Oid: 0x06,
  Utf8String: 0x0c,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  Sequence: 0x30,
  Set: 0x31,
} as const;

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array =>
  encodeTlv(Tag.Sequence, ...parts);

/** A set of one member, as in names; with more, their order would have to be DER's. */
export const setOf = (member: Uint8Array): Uint8Array => encodeTlv(Tag.Set, member);

export const boolean = (value: boolean): Uint8Array =>
  encodeTlv(Tag.Boolean, Uint8Array.of(value ? 0xff : 0));

export const nothing = (): Uint8Array => encodeTlv(Tag.Null);

export const octetString = (...parts: readonly Uint8Array[]): Uint8Array =>
  encodeTlv(Tag.OctetString, ...parts);

export const utf8String = (text: string): Uint8Array =>
  encodeTlv(Tag.Utf8String, new TextEncoder().encode(text));

/** A number of zero or more. @param magnitude most significant byte first; empty is 0. */
export function unsignedInteger(magnitude: Uint8Array): Uint8Array {
  const first = magnitude.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : magnitude.subarray(first);
  const isNegative = ((digits[0] ?? 0) & 0x80) !== 0;
  return encodeTlv(Tag.Integer, ...(isNegative ? [Uint8Array.of(0), digits] : [digits]));
}

/** @param unused how many bits of the last byte do not count, 0 to 7. */
export const bitString = (bits: Uint8Array, unused = 0): Uint8Array =>
  encodeTlv(Tag.BitString, Uint8Array.of(unused), bits);

/**
 * A bit string with names for its bits, shortened as DER wants it (X.690, 11.2.2).
 *
 * @param bits the numbers of those that are set, 0 to 7, at least one.
 */
export function namedBits(...bits: readonly number[]): Uint8Array {
  const byte = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  return bitString(Uint8Array.of(byte), 7 - Math.max(...bits));
}

/** @param dotted at least two numbers: `2.5.4.3`. */
export function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap(base128);
  return encodeTlv(Tag.Oid, Uint8Array.from(bytes));
}

function base128(value: number): readonly number[] {
  const digits = [value & 0x7f];
  for (let rest = Math.floor(value / 0x80); rest > 0; rest = Math.floor(rest / 0x80))
    digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

/** A point in time, to the second: two digits for the year up to 2049, four after that (RFC 5280, 4.1.2.5). */
export function time(at: Date): Uint8Array {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, ""); // YYYYMMDDhhmmssZ
  const isLate = at.getUTCFullYear() >= 2050;
  const text = new TextEncoder().encode(isLate ? digits : digits.slice(2));
  return encodeTlv(isLate ? Tag.GeneralizedTime : Tag.UtcTime, text);
}

/** `[n]` around what is inside. */
export const explicit = (n: number, ...parts: readonly Uint8Array[]): Uint8Array =>
  encodeTlv(0xa0 | n, ...parts);

/** `[n]` in place of the tag of a primitive value. */
export const implicit = (n: number, value: Uint8Array): Uint8Array => encodeTlv(0x80 | n, value);
