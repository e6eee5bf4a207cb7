import { describe, expect, test } from "vitest";
import { cards } from "../../../test/replay/attached.ts";
import { record } from "../../../test/replay/bytes.ts";
import type { Reader } from "../../domain/card-service.ts";
import { fakeReader } from "../../testing/index.ts";
import { dialectOf, withShortNames } from "../../wire/pcsclite/dialects.ts";
import { slotArrays, slotCount } from "./slots.ts";

const speech = (minor: number, slots = 16, order: "little" | "big" = "little") => ({
  dialect: dialectOf(minor, slots),
  order,
});

/** The bytes alone, made anew by `arrays` or by the one of all these tests. */
const slotArray = (
  readers: readonly Reader[],
  slots: number,
  spoken: ReturnType<typeof speech>,
  arrays = shared,
) => arrays(readers, slots, { speech: spoken }).bytes;
const shared = slotArrays();

describe("slotArrays", () => {
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
    // 127 bytes that are no UTF-8, as cstring reads them.
    const odd = slotArray([fakeReader("\udce9".repeat(127))], 16, speech(4));
    expect(Buffer.from(odd.subarray(0, 128))).toEqual(
      Buffer.concat([Buffer.alloc(127, 0xe9), Buffer.alloc(1)]),
    );
    const short = slotArray([fakeReader("n".repeat(100)), fakeReader("kept")], 16, {
      dialect: withShortNames(dialectOf(2)),
      order: "little",
    });
    expect(short.length).toBe(16 * 156);
    expect(name(short, 0, 156)).toBe("kep");
  });

  describe("where there are more readers than slots", () => {
    /** Twenty readers, with a card in each of those that are named. */
    const hub = (...withCard: readonly number[]) =>
      Array.from({ length: 20 }, (_, slot) =>
        fakeReader(`Hub ${slot} 00 00`, withCard.includes(slot) ? { atr: new Uint8Array(2) } : {}),
      );
    /** The numbers of the readers in an array, as an application reads them. */
    const shown = (
      readers: ReturnType<typeof hub>,
      slots: number,
      first: readonly string[] = [],
    ) => {
      const array = slotArray(readers, slots, speech(4), slotArrays(first));
      const records = Array.from({ length: slots }, (_, slot) =>
        Buffer.from(array.subarray(slot * 184, slot * 184 + 128)).toString(),
      );
      return records.map((name) => Number(/^Hub (\d+) /.exec(name)?.[1] ?? -1));
    };
    const upTo = (count: number) => Array.from({ length: count }, (_, slot) => slot);

    test("those with a card come first, then those that are wanted, then the others", () => {
      expect(shown(hub(), 16)).toEqual(upTo(16));
      expect(shown(hub(18, 3), 16)).toEqual([3, 18, 0, 1, 2, ...upTo(15).slice(4)].slice(0, 16));
      expect(shown(hub(18), 16, ["Hub 17 *", "Hub ?9*"])).toEqual([18, 17, 19, ...upTo(13)]);
      expect(shown(hub(19, 18), 4, ["Hub 17 *", "Hub 19*", "*"])).toEqual([19, 18, 17, 0]);
    });

    test("an application keeps those that it has handles on, then those that it knows of", () => {
      const names = (of: Parameters<ReturnType<typeof slotArrays>>[2]) =>
        slotArrays()(hub(17, 18, 19), 4, of).names.map((name) => Number(name.split(" ")[1]));
      const plain = { speech: speech(4) };
      const hubs = (...numbers: readonly number[]) => numbers.map((slot) => `Hub ${slot} 00 00`);
      expect(names(plain)).toEqual([17, 18, 19, 0]);
      expect(names({ ...plain, kept: hubs(0, 1, 2, 18) })).toEqual([18, 0, 1, 2]);
      expect(names({ ...plain, kept: hubs(0, 1, 40) })).toEqual([17, 18, 0, 1]);
      expect(names({ ...plain, held: hubs(9), kept: hubs(0, 1, 2, 3) })).toEqual([0, 1, 2, 9]);
    });

    test("and where there are not, nothing is reordered", () => {
      const few = hub(18, 3);
      const array = slotArray(few, 256, speech(6), slotArrays(["Hub 17 *"]));
      const name = (slot: number) =>
        Buffer.from(array.subarray(slot * 184, slot * 184 + 14)).toString();
      expect(upTo(20).map(name)).toEqual(few.map(({ name: full }) => full.padEnd(14, "\0")));
      expect(shown(few.slice(0, 16), 16, ["Hub 5 *"])).toEqual(upTo(16));
    });

    test("more than 4:6 has slots for are ordered likewise", () => {
      const many = Array.from({ length: 300 }, (_, slot) => fakeReader(`Hub ${slot} 00 00`));
      const array = slotArray(many, 256, speech(6), slotArrays(["Hub 299 *"]));
      expect(array.length).toBe(256 * 184);
      expect(Buffer.from(array.subarray(0, 8)).toString()).toBe("Hub 299 ");
    });
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
