import type { Reader } from "../../src/domain/card-service.ts";

// Bytes of pcsc-lite's protocol made and read by hand from the protocol reference, so that no test judges cardwire's
// codec by itself.

export type Order = "little" | "big";

/** Unsigned and signed 32-bit integers, one after the other. */
export function words(order: Order, ...values: readonly number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries())
    if (order === "little") out.writeUInt32LE(value >>> 0, index * 4);
    else out.writeUInt32BE(value >>> 0, index * 4);
  return out;
}

export const word = (order: Order, from: Uint8Array, at: number): number => {
  const bytes = Buffer.from(from.buffer, from.byteOffset, from.byteLength);
  return order === "little" ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
};

/** A text in a field of `size` bytes, the rest zero. */
export function text(value: string, size: number): Buffer {
  const field = Buffer.alloc(size);
  field.write(value, 0, "utf8");
  return field;
}

/** The text of such a field. */
export function textIn(field: Uint8Array): string {
  const end = field.indexOf(0);
  return Buffer.from(field.subarray(0, end < 0 ? field.length : end)).toString();
}

/** Bytes in a field of `size` bytes, the rest zero. */
export function padded(value: Uint8Array, size: number): Buffer {
  const field = Buffer.alloc(size);
  field.set(value);
  return field;
}

/** One slot record, 184 bytes (section 4.1). */
export function record(order: Order, reader: Reader): Buffer {
  const atr = reader.atr ?? Buffer.alloc(0);
  return Buffer.concat([
    text(reader.name, 128),
    words(order, reader.eventCounter, reader.stateBits, reader.sharing),
    padded(atr, 36),
    words(order, atr.length, reader.protocol),
  ]);
}

/** An unused slot as real daemons send it: the ATR's length says "not initialised". */
export const unused = (order: Order): Buffer =>
  Buffer.concat([Buffer.alloc(176), words(order, 34, 0)]);

/** A client's request: header, struct, and what follows it. The header's size does not count the latter. */
export const request = (
  order: Order,
  command: number,
  struct: Uint8Array = Buffer.alloc(0),
  payload: Uint8Array = Buffer.alloc(0),
): Buffer => Buffer.concat([words(order, struct.length, command), struct, payload]);
