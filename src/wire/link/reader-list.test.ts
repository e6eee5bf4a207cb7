import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ProtocolError } from "../../domain/errors.ts";
import { decodeReaders, encodeReaders, type LinkedReader } from "./reader-list.ts";

const reader: fc.Arbitrary<LinkedReader> = fc
  .record({
    name: fc.constantFrom("A 00 00", "B 00 00", "Ünïcode 00 00", "x".repeat(127)),
    atr: fc.option(fc.uint8Array({ minLength: 2, maxLength: 33 }), { nil: undefined }),
    stateBits: fc.nat(255),
    sharing: fc.integer({ min: -1, max: 200 }),
    protocol: fc.constantFrom(0, 1, 2, 4),
    eventCounter: fc.nat(0xffff),
    othersMayHold: fc.boolean(),
  })
  .map(({ atr, ...rest }) => (atr ? { ...rest, atr } : rest));
const list = fc.uniqueArray(reader, { maxLength: 4, selector: ({ name }) => name });

test("a list is what the one before and the change make", () => {
  fc.assert(
    fc.property(list, list, (before, now) => {
      const { length, tail } = encodeReaders(before, now);
      expect(decodeReaders(before, length, tail)).toEqual(now);
    }),
  );
});

test("what has not changed is not told again", () => {
  fc.assert(
    fc.property(list, (same) => {
      const { length, tail } = encodeReaders(same, [...same]);
      expect(tail.length).toBe(4 * length);
      expect(decodeReaders(same, length, tail).every((one, at) => one === same[at])).toBe(true);
    }),
  );
});

const outcome = (decode: () => unknown): string => {
  try {
    decode();
    return "list";
  } catch (error) {
    return error instanceof ProtocolError ? "refused" : String(error);
  }
};

test("anything else is refused, and takes no memory", () => {
  fc.assert(
    fc.property(fc.nat(300), fc.uint8Array({ maxLength: 500 }), (length, tail) => {
      expect(outcome(() => decodeReaders([], length, tail))).toMatch(/^(list|refused)$/);
    }),
  );
  expect(() => decodeReaders([], 1, Uint8Array.of(0, 0, 0, 0))).toThrow("no reader 0");
});
