import { describe, expect, test } from "vitest";
import type { ReaderState } from "../../wire/pcsclite/layouts.ts";
import { ReaderTable } from "./reader-table.ts";

const state = (about: Partial<ReaderState> = {}): ReaderState => ({
  name: "one",
  eventCounter: 1,
  state: 0x34,
  sharing: 0,
  atr: new Uint8Array(33).fill(0x3b),
  atrLength: 2,
  protocol: 0,
  ...about,
});
const shared = { share: 2, activeProtocol: 2 };

function table(...states: ReaderState[]): ReaderTable {
  const of = new ReaderTable();
  of.update({ states: states.length > 0 ? states : [state()], askedAt: of.now() });
  return of;
}
const one = (of: ReaderTable) => of.find("one");

describe("ReaderTable", () => {
  test("shows the daemon's list, an ATR only where there is one", () => {
    const of = table(state(), state({ name: "two", atrLength: 0, state: 2 }));
    expect(of.readers).toEqual([
      {
        name: "one",
        atr: Uint8Array.of(0x3b, 0x3b),
        stateBits: 0x34,
        sharing: 0,
        protocol: 0,
        eventCounter: 1,
      },
      { name: "two", stateBits: 2, sharing: 0, protocol: 0, eventCounter: 1 },
    ]);
  });

  test("what our replies tell is shown until a list that was asked for later", () => {
    const of = table();
    const askedBefore = of.now();
    of.opened("one", shared);
    expect(one(of)).toMatchObject({ sharing: 1, protocol: 2 });
    expect(of.update({ states: [state()], askedAt: askedBefore })).toBe(true);
    expect(one(of)).toMatchObject({ sharing: 1, protocol: 2 });
    expect(of.update({ states: [state({ sharing: 1 })], askedAt: of.now() })).toBe(false);
    expect(one(of)).toMatchObject({ sharing: 1, protocol: 0 });
  });

  test("it is void for another card", () => {
    const of = table();
    const askedBefore = of.now();
    of.opened("one", shared);
    of.update({
      states: [state({ eventCounter: 2, state: 2, atrLength: 0 })],
      askedAt: askedBefore,
    });
    expect(one(of)).toMatchObject({ protocol: 0, stateBits: 2 });
    expect(one(of)).not.toHaveProperty("atr");
  });

  test("a list that is older than a close may still count the closed handle", () => {
    const of = table();
    of.opened("one", shared);
    of.update({ states: [state({ sharing: 1 })], askedAt: of.now() });
    const askedBefore = of.now();
    of.closed("one");
    expect(one(of)?.sharing).toBe(0);
    of.update({ states: [state({ sharing: 1 })], askedAt: askedBefore });
    expect(one(of)?.sharing).toBe(0);
  });

  test("others' handles are counted beside ours", () => {
    const of = table(state({ sharing: 2 }));
    of.opened("one", shared);
    of.update({ states: [state({ sharing: 3 })], askedAt: of.now() });
    expect(one(of)?.sharing).toBe(3);
    of.closed("one");
    expect(one(of)?.sharing).toBe(2);
  });

  test("exclusive is exclusive, ours at once", () => {
    const of = table();
    of.opened("one", { share: 1, activeProtocol: 2 });
    expect(one(of)?.sharing).toBe(-1);
    of.reshared("one", 2);
    expect(one(of)?.sharing).toBe(1);
    of.reshared("one", 1);
    expect(one(of)?.sharing).toBe(-1);
    of.update({ states: [state({ sharing: -1 })], askedAt: of.now() });
    of.closed("one");
    expect(one(of)?.sharing).toBe(0);
    expect(table(state({ sharing: -1 })).find("one")?.sharing).toBe(-1);
  });

  test("a reset forgets the protocol; without power the card looks so", () => {
    const of = table(state({ protocol: 2 }));
    of.wasReset("one", { unpowered: false });
    expect(one(of)).toMatchObject({ protocol: 0, stateBits: 0x34 });
    of.wasReset("one", { unpowered: true });
    expect(one(of)).toMatchObject({ protocol: 0, stateBits: 4 });
    of.opened("one", shared);
    expect(one(of)).toMatchObject({ protocol: 2, stateBits: 0x34 });
  });

  test("when the daemon is gone there is nothing, and nothing of before comes back", () => {
    const of = table();
    of.opened("one", shared);
    of.clear();
    expect(of.readers).toEqual([]);
    of.closed("one");
    of.update({ states: [state()], askedAt: of.now() });
    expect(one(of)).toMatchObject({ sharing: 0, protocol: 0 });
  });

  test("a reader that is gone is told nothing of", () => {
    const of = table();
    of.opened("gone", shared);
    expect(of.find("gone")).toBeUndefined();
    of.closed("gone");
  });

  test("knows whether others use a reader", () => {
    expect(table().hasForeignUse).toBe(false);
    expect(table(state({ sharing: 1 })).hasForeignUse).toBe(true);
    expect(table(state({ sharing: -1 })).hasForeignUse).toBe(true);
    const of = table();
    of.opened("one", shared);
    of.update({ states: [state({ sharing: 1 })], askedAt: of.now() });
    expect(of.hasForeignUse).toBe(false);
  });

  test("a reconnect that leaves a card without power as it is gives it none", () => {
    const of = table();
    of.wasReset("one", { unpowered: true });
    of.negotiated("one", 2, { powersUp: false });
    expect(one(of)).toMatchObject({ protocol: 2, stateBits: 0x04 });
    of.negotiated("one", 2);
    expect(one(of)).toMatchObject({ stateBits: 0x34 });
  });

  test("a direct connect gives no power, whatever protocol it answers", () => {
    const of = table();
    of.wasReset("one", { unpowered: true });
    of.opened("one", { share: 3, activeProtocol: 4 });
    expect(one(of)).toMatchObject({ stateBits: 4, protocol: 4 });
    of.opened("one", shared);
    expect(one(of)).toMatchObject({ stateBits: 0x34, protocol: 2 });
  });
});
