/** The order of the bytes of an integer: the sender's native one (protocol reference, section 7). */
export type ByteOrder = "little" | "big";

/** One fixed-size value inside a C struct. `align` is its alignment in the C ABI, bytes. */
export interface Field<T> {
  readonly size: number;
  readonly align: number;
  read(view: DataView, at: number, little: boolean): T;
  write(view: DataView, at: number, value: T, little: boolean): void;
}

export type Infer<F> = F extends Field<infer T> ? T : never;

export const u32: Field<number> = {
  size: 4,
  align: 4,
  read: (view, at, little) => view.getUint32(at, little),
  write: (view, at, value, little) => view.setUint32(at, value, little),
};

export const i32: Field<number> = {
  size: 4,
  align: 4,
  read: (view, at, little) => view.getInt32(at, little),
  write: (view, at, value, little) => view.setInt32(at, value, little),
};

const bytesAt = (view: DataView, at: number, length: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, length);

/** `size` raw bytes. Reading copies, so that a value never pins the buffer it came from; a shorter value is padded with zeros. */
export function bytes(size: number): Field<Uint8Array> {
  return {
    size,
    align: 1,
    read: (view, at) => bytesAt(view, at, size).slice(),
    write: (view, at, value) => {
      if (value.length > size) throw new RangeError(`${value.length} bytes do not fit ${size}`);
      bytesAt(view, at, size).set(value);
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
    read: (view, at) => {
      const raw = bytesAt(view, at, size - 1);
      const end = raw.indexOf(0);
      return decodeText(end < 0 ? raw : raw.subarray(0, end));
    },
    write: (view, at, value) => {
      const text = encodeText(value);
      if (text.length >= size)
        throw new RangeError(`'${value}' is longer than ${size - 1} bytes of UTF-8`);
      bytesAt(view, at, size).set(text);
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
  const viewOf = (of: Uint8Array, at = 0): DataView => {
    if (of.byteLength < at + size)
      throw new RangeError(`${of.byteLength} bytes do not hold ${size} at ${at}`);
    return new DataView(of.buffer, of.byteOffset, of.byteLength);
  };

  const read = (view: DataView, base: number, little: boolean): Values<S> => {
    const out: Record<string, unknown> = {};
    for (const { name, at, field } of plan) out[name] = field.read(view, base + at, little);
    return out as Values<S>;
  };
  const write = (view: DataView, base: number, value: Values<S>, little: boolean): void => {
    for (const { name, at, field } of plan) field.write(view, base + at, value[name], little);
  };
  return {
    size,
    align,
    read,
    write,
    decode: (from, order) => read(viewOf(from), 0, order === "little"),
    encode: (value, order) => {
      const out = new Uint8Array(size);
      write(viewOf(out), 0, value, order === "little");
      return out;
    },
    encodeInto: (to, at, value, order) => write(viewOf(to, at), at, value, order === "little"),
  };
}
