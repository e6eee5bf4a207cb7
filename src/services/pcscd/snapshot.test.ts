import { describe, expect, test } from "vitest";
import { cards } from "../../../test/replay/attached.ts";
import { record, unused, words } from "../../../test/replay/bytes.ts";
import { ByteQueue } from "../../wire/byte-queue.ts";
import { dialectOf } from "../../wire/pcsclite/dialects.ts";
import type { Speech } from "../../wire/pcsclite/replies.ts";
import { fetchRequest, registerRequest, takeRegistered, takeUncounted } from "./snapshot.ts";

const speech = (minor: number, slots = 16): Speech => ({
  dialect: dialectOf(minor, slots),
  order: "little",
});
const mark = words("little", 4, 6, 0);
const event = words("little", 0, 0);
const array = (slots: number, readers = cards) =>
  Buffer.concat(
    Array.from({ length: slots }, (_, index) => {
      const reader = readers[index];
      return reader ? record("little", reader) : unused("little");
    }),
  );
const queue = (...parts: Uint8Array[]) => {
  const of = new ByteQueue();
  of.push(Buffer.concat(parts));
  return of;
};
const names = (snapshot: unknown) =>
  snapshot && typeof snapshot === "object" && "states" in snapshot
    ? (snapshot.states as { name: string }[]).map(({ name }) => name)
    : snapshot;
const wanted = cards.map(({ name }) => name);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("what is asked", () => {
  test.each([
    [3, "08000000 13000000 60ea0000 00000000  00000000 12000000"],
    [4, "00000000 13000000"],
    [5, "00000000 13000000"],
    [6, "00000000 13000000  00000000 16000000  00000000 17000000"],
  ])("with 4:%i, a mark behind it", (minor, bytes) => {
    const version = `0c00000011000000 04000000 0${minor}000000 00000000`;
    expect(hex(registerRequest(speech(minor)))).toBe(`${bytes}${version}`.replaceAll(" ", ""));
    expect(hex(fetchRequest(speech(minor)))).toBe(`0000000012000000${version}`.replaceAll(" ", ""));
  });
});

describe("takeUncounted", () => {
  test.each([16, 17, 48, 256])("finds %i slots", (slots) => {
    const of = queue(array(slots), mark);
    const snapshot = takeUncounted(of, speech(4));
    expect(snapshot).toMatchObject({ slots });
    expect(names(snapshot)).toEqual(wanted);
    expect(of.length).toBe(0);
  });

  test("waits for the rest, and takes no more than its own", () => {
    const bytes = Buffer.concat([array(16), mark, event]);
    const of = new ByteQueue();
    for (let at = 0; at < bytes.length - 9; at += 101) {
      of.push(bytes.subarray(at, Math.min(at + 101, bytes.length - 9)));
      expect(takeUncounted(of, speech(4))).toBeUndefined();
    }
    of.push(bytes.subarray(bytes.length - 9));
    expect(names(takeUncounted(of, speech(4)))).toEqual(wanted);
    expect(of.length).toBe(8);
  });

  test("gives up where no daemon has so many", () => {
    expect(() => takeUncounted(queue(array(258)), speech(4))).toThrow("more than 256 slots");
  });
});

describe("takeRegistered", () => {
  const size = (slots: number) => words("little", slots);

  test.each([
    [4, [array(16), mark]],
    [3, [array(16), mark]],
    [6, [size(4), array(4), mark]],
  ])("takes an undisturbed answer of 4:%i", (minor, parts) => {
    const of = queue(...parts, event);
    expect(names(takeRegistered(of, speech(minor)))).toEqual(wanted);
    expect(of.length).toBe(8);
  });

  test.each([
    ["before the size", [event, size(4), array(4), mark]],
    ["before the array", [size(4), event, array(4), mark]],
    [
      "behind the first record",
      [size(4), array(4).subarray(0, 184), event, array(4).subarray(184), mark],
    ],
    ["before the mark", [size(4), array(4), event, mark]],
    ["before a size that is 0", [event, size(0), mark]],
    ["behind a size that is 0", [size(0), event, mark]],
  ])("an event %s interrupts it, and no byte is left", (_where, parts) => {
    const of = queue(...parts);
    expect(takeRegistered(of, speech(6))).toEqual({ interrupted: true });
    expect(of.length).toBe(0);
  });

  test("a list without slots is one", () => {
    expect(takeRegistered(queue(size(0), mark), speech(6))).toEqual({ states: [], slots: 0 });
  });

  test.each(Array.from({ length: 17 }, (_, index) => [index]))(
    "an event before record %i of a fixed array interrupts it",
    (index) => {
      const all = array(16);
      const of = queue(all.subarray(0, index * 184), event, all.subarray(index * 184), mark);
      expect(takeRegistered(of, speech(4))).toEqual({ interrupted: true });
      expect(of.length).toBe(0);
    },
  );

  test("anything else is damage", () => {
    expect(() => takeRegistered(queue(Buffer.alloc(5_000, 0xaa)), speech(4))).toThrow(
      "does not end where it should",
    );
    expect(() => takeRegistered(queue(words("little", 257, 0, 0)), speech(6))).toThrow(
      "a list of 257 slots",
    );
  });
});
