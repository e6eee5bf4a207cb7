import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tohex, unhex } from "../../test/captures/load.ts";
import { type ByteOrder, bytes, cstring, i32, struct, u32 } from "./struct.ts";

const orders: readonly ByteOrder[] = ["little", "big"];

describe("a struct", () => {
  // char tag[3]; uint32_t count; int32_t change; char end;  — offsets 0, 4, 8, 12; size 16
  const mixed = struct({ tag: bytes(3), count: u32, change: i32, end: bytes(1) });
  const value = { tag: unhex("a1a2a3"), count: 0x01020304, change: -2, end: unhex("ee") };

  test("is laid out as a C compiler does it", () => {
    expect(mixed).toMatchObject({ size: 16, align: 4 });
    expect(struct({ a: bytes(3), b: bytes(2) })).toMatchObject({ size: 5, align: 1 });
    expect(struct({})).toMatchObject({ size: 0, align: 1 });
    // A struct in a struct starts at a multiple of its alignment.
    expect(struct({ a: bytes(1), inner: mixed, b: bytes(1) })).toMatchObject({ size: 24 });
  });

  test.each([
    ["little", "a1a2a300 04030201 feffffff ee000000"],
    ["big", "a1a2a300 01020304 fffffffe ee000000"],
  ] as const)("in %s-endian bytes", (order, hex) => {
    const wire = unhex(hex);
    expect(mixed.encode(value, order)).toEqual(wire);
    expect(mixed.decode(wire, order)).toEqual(value);
  });

  test("inside a struct reads and writes at its place", () => {
    const outer = struct({ first: u32, inner: struct({ a: u32, b: i32 }) });
    const wire = unhex("00000001 00000002 ffffffff");
    expect(outer.decode(wire, "big")).toEqual({ first: 1, inner: { a: 2, b: -1 } });
    expect(outer.encode({ first: 1, inner: { a: 2, b: -1 } }, "big")).toEqual(wire);
  });

  test("reads and writes in the middle of a larger buffer", () => {
    const pair = struct({ a: u32, b: u32 });
    const buffer = unhex("ffffff 01000000 02000000 ff");
    expect(pair.decode(buffer.subarray(3), "little")).toEqual({ a: 1, b: 2 });
    const out = new Uint8Array(10);
    pair.encodeInto(out.subarray(1), 1, { a: 1, b: 2 }, "little");
    expect(tohex(out)).toBe("00000100000002000000");
  });

  test("keeps padding out of the values and writes it as zeros", () => {
    const wire = unhex("a1a2a3ff 04030201 feffffff eeffffff");
    expect(mixed.encode(mixed.decode(wire, "little"), "little")).toEqual(
      unhex("a1a2a300 04030201 feffffff ee000000"),
    );
  });

  test.each([
    ["integers", struct({ a: u32, b: u32 })],
    ["bytes at the end", struct({ a: u32, b: bytes(4) })],
    ["text at the end", struct({ a: u32, b: cstring(4) })],
    ["padding at the end", struct({ a: u32, b: bytes(1) })],
  ])("never looks beyond what it is given: %s", (_what, layout) => {
    const buffer = new Uint8Array(16).fill(0x41);
    expect(layout.size).toBe(8);
    expect(() => layout.decode(buffer.subarray(0, 7), "little")).toThrow(RangeError);
    const some = layout.decode(new Uint8Array(8), "little");
    const target = new Uint8Array(16);
    expect(() => layout.encodeInto(target.subarray(0, 10), 3, some as never, "little")).toThrow(
      RangeError,
    );
  });

  test("writes the low 32 bits of a number", () => {
    const pair = struct({ a: u32, b: i32 });
    expect(tohex(pair.encode({ a: -1, b: 0xffff_fffe }, "big"))).toBe("fffffffffffffffe");
  });

  test("decoded values do not change with the buffer", () => {
    const wire = unhex("0102");
    const { a } = struct({ a: bytes(2) }).decode(wire, "little");
    wire.fill(0);
    expect(a).toEqual(unhex("0102"));
  });
});

describe("bytes", () => {
  test("that are fewer are padded with zeros; more are refused", () => {
    const field = struct({ a: bytes(3) });
    expect(field.encode({ a: unhex("0102") }, "little")).toEqual(unhex("010200"));
    expect(() => field.encode({ a: unhex("01020304") }, "little")).toThrow("4 bytes do not fit 3");
  });
});

describe("cstring", () => {
  const name = struct({ name: cstring(8) });
  const read = (hex: string) => name.decode(unhex(hex), "little").name;
  const write = (text: string) => tohex(name.encode({ name: text }, "little"));

  test.each([
    ["text", "4c61620000000000", "Lab"],
    ["nothing", "0000000000000000", ""],
    ["UTF-8", "c3a4e282ac000000", "ä€"],
    ["a byte order mark, which is text", "efbbbf4100000000", "\ufeffA"],
    ["the most that fits", "4142434445464700", "ABCDEFG"],
  ])("%s", (_what, hex, text) => {
    expect(read(hex)).toBe(text);
    expect(write(text)).toBe(hex);
  });

  test("what follows the NUL is not looked at, and comes back as zeros", () => {
    expect(read("4c616200ff1a4142")).toBe("Lab");
    expect(write(read("4c616200ff1a4142"))).toBe("4c61620000000000");
  });

  test("without a NUL, the last byte is taken for it", () => {
    expect(read("4142434445464748")).toBe("ABCDEFG");
  });

  test.each(["ff4142c3a4000000", "c300000000000000", "80818283fefdfc00", "eda08000000000"])(
    "bytes that are no UTF-8 survive: %s",
    (hex) => {
      expect(write(read(hex.padEnd(16, "0")))).toBe(hex.padEnd(16, "0"));
    },
  );

  test("text may be put around bytes that are no UTF-8", () => {
    expect(write(`ä${read("ff00000000000000")}😀`)).toBe("c3a4fff09f988000");
  });

  test.each(["ABCDEFGH", "€€€", `ABCDEF${"\udc80".repeat(2)}`])("%o is too long", (text) => {
    expect(() => write(text)).toThrow(RangeError);
  });

  test("whatever bytes come, the text can be sent on, and then stays the same", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.constantFrom(...orders),
        (wire, order) => {
          const text = name.decode(wire, order);
          const end = wire.subarray(0, 7).indexOf(0);
          const kept = new Uint8Array(8);
          kept.set(wire.subarray(0, end < 0 ? 7 : end));
          expect(name.encode(text, order)).toEqual(kept);
          expect(name.decode(kept, order)).toEqual(text);
        },
      ),
    );
  });

  test("any text that fits comes back", () => {
    const long = struct({ name: cstring(128) });
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 31 }), (text) => {
        fc.pre(!text.includes("\0"));
        expect(long.decode(long.encode({ name: text }, "big"), "big").name).toBe(text);
      }),
    );
  });
});
