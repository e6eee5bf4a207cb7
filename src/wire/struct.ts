/** The order of the bytes of an integer: the sender's native one (protocol reference, section 7). */
export type ByteOrder = "little" | "big";

/** One fixed-size value inside a C struct. `align` is its alignment in the C ABI, bytes. */
export interface Field<T> {
  readonly size: number;
  readonly align: number;
  read(from: Uint8Array, at: number, little: boolean): T;
  write(to: Uint8Array, at: number, value: T, little: boolean): void;
}

export type Infer<F> = F extends Field<infer T> ? T : never;

// Byte by byte: a DataView for each struct costs more than all of its numbers.

function readI32(from: Uint8Array, at: number, little: boolean): number {
  const a = from[at] ?? 0;
  const b = from[at + 1] ?? 0;
  const c = from[at + 2] ?? 0;
  const d = from[at + 3] ?? 0;
  return little ? a | (b << 8) | (c << 16) | (d << 24) : (a << 24) | (b << 16) | (c << 8) | d;
}

function writeI32(to: Uint8Array, at: number, value: number, little: boolean): void {
  const first = at + (little ? 0 : 3);
  const step = little ? 1 : -1;
  to[first] = value;
  to[first + step] = value >>> 8;
  to[first + 2 * step] = value >>> 16;
  to[first + 3 * step] = value >>> 24;
}

export const u32: Field<number> = {
  size: 4,
  align: 4,
  read: (from, at, little) => readI32(from, at, little) >>> 0,
  write: writeI32,
};

export const i32: Field<number> = { size: 4, align: 4, read: readI32, write: writeI32 };

/** `size` raw bytes. Reading copies, so that a value never pins the buffer it came from; a shorter value is padded with zeros. */
export function bytes(size: number): Field<Uint8Array> {
  return {
    size,
    align: 1,
    read: (from, at) => new Uint8Array(from.subarray(at, at + size)),
    write: (to, at, value) => {
      if (value.length > size) throw new RangeError(`${value.length} bytes do not fit ${size}`);
      to.set(value, at);
    },
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** What Python calls surrogateescape: bytes that are not UTF-8 become U+DC80 to U+DCFF, so that the name survives the way back. */
const ESCAPE = 0xdc00;

function decodeText(from: Uint8Array): string {
  try {
    return utf8.decode(from);
  } catch {
    return Array.from(from, (byte) => String.fromCharCode(byte < 0x80 ? byte : ESCAPE + byte)).join(
      "",
    );
  }
}

const escaped = /([\udc80-\udcff])/u; // with the flag, only a surrogate that has lost its pair

function encodeText(text: string): Uint8Array {
  if (!escaped.test(text)) return encoder.encode(text);
  const parts = text.split(escaped); // around an escape, the text at even and the escape at odd indices
  return Uint8Array.from(
    parts.flatMap((part, index) =>
      index % 2 === 1 ? part.charCodeAt(0) - ESCAPE : [...encoder.encode(part)],
    ),
  );
}

/** Bytes of a text in a {@link cstring}, without the NUL. */
export const textSize = (text: string): number => encodeText(text).length;

/**
 * NUL-terminated UTF-8 in `size` bytes. What follows the NUL is not looked at and written as zeros. The last byte is
 * taken for the NUL, so that whatever a peer sent can be sent on.
 */
export function cstring(size: number): Field<string> {
  return {
    size,
    align: 1,
    read: (from, at) => {
      const raw = from.subarray(at, at + size - 1);
      const end = raw.indexOf(0);
      return decodeText(end < 0 ? raw : raw.subarray(0, end));
    },
    write: (to, at, value) => {
      const text = encodeText(value);
      if (text.length >= size)
        throw new RangeError(`'${value}' is longer than ${size - 1} bytes of UTF-8`);
      to.set(text, at);
    },
  };
}

type Shape = Readonly<Record<string, Field<unknown>>>;
type Values<S extends Shape> = { -readonly [K in keyof S]: Infer<S[K]> };

export interface Struct<T> extends Field<T> {
  /** @throws {RangeError} when fewer than `size` bytes are given. */
  decode(from: Uint8Array, order: ByteOrder): T;
  /** @throws {RangeError} when a text or bytes do not fit their field. Of a number the low 32 bits are written. */
  encode(value: T, order: ByteOrder): Uint8Array;
  /** Encodes into `to`, which is all zero there, at byte `at`. */
  encodeInto(to: Uint8Array, at: number, value: T, order: ByteOrder): void;
}

/** Lays fields out as a C compiler does: in the order given, naturally aligned, padded at the end. */
export function struct<const S extends Shape>(shape: S): Struct<Values<S>> {
  let end = 0;
  let align = 1;
  const plan = Object.entries(shape).map(([name, field]) => {
    const at = Math.ceil(end / field.align) * field.align;
    end = at + field.size;
    align = Math.max(align, field.align);
    return { name, at, field };
  });
  const size = Math.ceil(end / align) * align;
  const check = (of: Uint8Array, at = 0): void => {
    if (of.length < at + size)
      throw new RangeError(`${of.length} bytes do not hold ${size} at ${at}`);
  };

  const read = (from: Uint8Array, base: number, little: boolean): Values<S> => {
    const out: Record<string, unknown> = {};
    for (const { name, at, field } of plan) out[name] = field.read(from, base + at, little);
    return out as Values<S>;
  };
  const write = (to: Uint8Array, base: number, value: Values<S>, little: boolean): void => {
    for (const { name, at, field } of plan) field.write(to, base + at, value[name], little);
  };
  return {
    size,
    align,
    read,
    write,
    decode: (from, order) => {
      check(from);
      return read(from, 0, order === "little");
    },
    encode: (value, order) => {
      const out = new Uint8Array(size);
      write(out, 0, value, order === "little");
      return out;
    },
    encodeInto: (to, at, value, order) => {
      check(to, at);
      write(to, at, value, order === "little");
    },
  };
}
