import { describe, expect, test } from "vitest";
import { cards } from "../../../test/replay/attached.ts";
import { record } from "../../../test/replay/bytes.ts";
import { fakeReader } from "../../testing/index.ts";
import { dialectOf, withShortNames } from "../../wire/pcsclite/dialects.ts";
import { slotArray, slotCount } from "./slots.ts";

const speech = (minor: number, slots = 16, order: "little" | "big" = "little") => ({
  dialect: dialectOf(minor, slots),
  order,
});

describe("slotArray", () => {
  test.each([
    [2, 16, 16],
    [4, 16, 16],
    [5, 48, 48],
    [6, 48, 256],
  ])("4:%i with %i slots is sent %i records", (minor, slots, count) => {
    const array = slotArray(cards, count, speech(minor, slots));
    expect(array.length).toBe(count * 184);
    expect(slotCount(speech(minor, slots).dialect)).toBe(count);
    const used = Buffer.concat(cards.map((reader) => record("little", reader)));
    expect(Buffer.from(array.subarray(0, used.length))).toEqual(used);
    expect(array.subarray(used.length).every((byte) => byte === 0)).toBe(true);
  });

  test("is made in the order that is asked for, once for each list", () => {
    const big = slotArray(cards, 16, speech(4, 16, "big"));
    expect(Buffer.from(big.subarray(0, 184))).toEqual(record("big", cards[0]));
    expect(slotArray(cards, 16, speech(4, 16, "big"))).toBe(big);
    expect(slotArray([...cards], 16, speech(4, 16, "big"))).not.toBe(big);
  });

  test("readers that do not fit are left out: those beyond the slots, and names that are too long", () => {
    const many = Array.from({ length: 20 }, (_, slot) => fakeReader(`Hub ${slot}`));
    const array = slotArray(many, 16, speech(4));
    expect(array.length).toBe(16 * 184);
    expect(array[15 * 184]).not.toBe(0);
    const long = [
      fakeReader("é".repeat(64)),
      fakeReader("é".repeat(63)),
      fakeReader("n".repeat(100)),
    ];
    const name = (of: Uint8Array, slot: number, size: number) =>
      Buffer.from(of.subarray(slot * size, slot * size + 3)).toString();
    const all = slotArray(long, 16, speech(4));
    expect(name(all, 0, 184)).toBe(
      "é\u00e9".slice(0, 1) + Buffer.from("é").subarray(0, 1).toString(),
    );
    expect(all[2 * 184]).toBe(0);
    const short = slotArray([fakeReader("n".repeat(100)), fakeReader("kept")], 16, {
      dialect: withShortNames(dialectOf(2)),
      order: "little",
    });
    expect(short.length).toBe(16 * 156);
    expect(name(short, 0, 156)).toBe("kep");
  });

  test("an ATR that is longer than 33 bytes is not sent: clients copy it without looking", () => {
    const array = slotArray(
      [fakeReader("one", { atr: new Uint8Array(34).fill(0x3b) })],
      16,
      speech(4),
    );
    expect(array.subarray(140, 180).every((byte) => byte === 0)).toBe(true);
  });

  test("the sharing count is signed", () => {
    const array = slotArray([fakeReader("one", { sharing: -1 })], 16, speech(4));
    expect(Buffer.from(array.subarray(136, 140)).toString("hex")).toBe("ffffffff");
  });
});
