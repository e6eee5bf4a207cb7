import { ProtocolError } from "../../domain/errors.ts";

/** One data object of BER-TLV (ISO/IEC 7816-4, clause 5.2.2). */
export interface Tlv {
  /** The tag's bytes as one number: `0x53`, `0x7f49`, `0x5fc102`. */
  readonly tag: number;
  readonly value: Uint8Array;
}

/** Tags of ISO/IEC 7816 have one to three bytes. */
const MAX_TAG_BYTES = 3;
/** Lengths up to 16,777,215; more than any card carries. */
const MAX_LENGTH_BYTES = 3;

/**
 * Reads the data objects that stand one behind the other.
 *
 * @throws {ProtocolError} when a tag is longer than three bytes, or a length leads beyond the end.
 */
export function parseTlv(bytes: Uint8Array): readonly Tlv[] {
  const found: Tlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readTag(bytes, at);
    const length = readLength(bytes, at + tag.size);
    const from = at + tag.size + length.size;
    if (from + length.value > bytes.length) throw tooShort();
    found.push({ tag: tag.value, value: bytes.subarray(from, from + length.value) });
    at = from + length.value;
  }
  return found;
}

/** The value of the first object with that tag. @throws {ProtocolError} as {@link parseTlv} does. */
export const findTlv = (bytes: Uint8Array, tag: number): Uint8Array | undefined =>
  parseTlv(bytes).find((one) => one.tag === tag)?.value;

/** Writes one data object; its value is the parts, one behind the other. */
export function encodeTlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = [...bytesOf(tag), ...lengthBytes(length)];
  const whole = new Uint8Array(head.length + length);
  whole.set(head);
  let at = head.length;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

interface Read {
  readonly value: number;
  /** How many bytes it took. */
  readonly size: number;
}

function readTag(bytes: Uint8Array, at: number): Read {
  let value = byteAt(bytes, at);
  let size = 1;
  if ((value & 0x1f) !== 0x1f) return { value, size };
  for (let more = true; more; size += 1) {
    if (size === MAX_TAG_BYTES) throw new ProtocolError("a tag has more than three bytes");
    const byte = byteAt(bytes, at + size);
    value = value * 0x100 + byte;
    more = (byte & 0x80) !== 0;
  }
  return { value, size };
}

function readLength(bytes: Uint8Array, at: number): Read {
  const first = byteAt(bytes, at);
  if (first < 0x80) return { value: first, size: 1 };
  const count = first & 0x7f;
  if (count === 0 || count > MAX_LENGTH_BYTES)
    throw new ProtocolError(`a length of ${count} bytes, where 1 to ${MAX_LENGTH_BYTES} are known`);
  let value = 0;
  for (let i = 1; i <= count; i++) value = value * 0x100 + byteAt(bytes, at + i);
  return { value, size: 1 + count };
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw tooShort();
  return byte;
}

const tooShort = (): ProtocolError =>
  new ProtocolError("a data object announces more than there is");

function lengthBytes(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes = bytesOf(length);
  return [0x80 | bytes.length, ...bytes];
}

/** A number's bytes, most significant first, without leading zeros. */
function bytesOf(value: number): readonly number[] {
  const bytes = [value & 0xff];
  for (let rest = Math.floor(value / 0x100); rest > 0; rest = Math.floor(rest / 0x100))
    bytes.unshift(rest & 0xff);
  return bytes;
}
