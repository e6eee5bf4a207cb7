import { describe, expect, test } from "vitest";
import { unhex } from "../../../test/captures/load.ts";
import * as layouts from "./layouts.ts";

const all = new Map(Object.entries(layouts));
const { Attribute, Connect, Connect100, Header, ReaderState, ReaderState100 } = layouts;

// From winscard_msg.h and eventhandler.h as the C compiler lays them out; protocol reference, sections 1.4 and 4.1.
test.each([
  ["Header", 8],
  ["Empty", 0],
  ["Version", 12],
  ["EstablishContext", 12],
  ["ReleaseContext", 8],
  ["Connect", 152],
  ["Connect100", 124],
  ["Reconnect", 24],
  ["Dispose", 12],
  ["CardOnly", 8],
  ["Cancel", 8],
  ["Transmit", 32],
  ["Control", 24],
  ["Attribute", 280],
  ["Event", 8],
  ["ReaderEvents", 8],
  ["ReadersStateSize", 4],
  ["ReaderState", 184],
  ["ReaderState100", 156],
] as const)("%s has %i bytes", (name, size) => {
  expect(all.get(name)?.size).toBe(size);
});

test("no layout is missing above", () => {
  expect(all.size).toBe(19);
});

// The vectors are written by hand, not made with the code under test.
const orders = [
  ["little", (word: string) => word],
  ["big", (word: string) => Buffer.from(Buffer.from(word, "hex").toReversed()).toString("hex")],
] as const;

describe.each(orders)("in %s-endian bytes", (order, word) => {
  const zeros = (count: number) => "00".repeat(count);

  test("header", () => {
    const wire = unhex(word("18010000") + word("0f000000"));
    expect(Header.decode(wire, order)).toEqual({ size: 280, command: 15 });
    expect(Header.encode({ size: 280, command: 15 }, order)).toEqual(wire);
  });

  test.each([
    ["CONNECT", Connect, 128],
    ["CONNECT with short names", Connect100, 100],
  ])("%s", (_what, layout, nameBytes) => {
    const wire = unhex(
      [
        word("fbed3276"),
        `4c6162c3a4${zeros(nameBytes - 5)}`,
        ...["02000000", "03000000", "feffffff", "01000000", "09001080"].map(word),
      ].join(""),
    );
    const value = {
      context: 0x7632edfb,
      reader: "Labä",
      share: 2,
      protocols: 3,
      card: -2,
      activeProtocol: 1,
      rv: 0x80100009,
    };
    expect(layout.decode(wire, order)).toEqual(value);
    expect(layout.encode(value, order)).toEqual(wire);
  });

  test("GET_ATTRIB", () => {
    const wire = unhex(
      [
        word("4d000000"),
        word("03030900"),
        `3b80800101${zeros(259)}`,
        word("05000000"),
        word("1d001080"),
      ].join(""),
    );
    const value = {
      card: 77,
      id: 0x00090303,
      value: unhex(`3b80800101${zeros(259)}`),
      length: 5,
      rv: 0x8010001d,
    };
    expect(Attribute.decode(wire, order)).toEqual(value);
    expect(Attribute.encode(value, order)).toEqual(wire);
  });

  test.each([
    ["slot record", ReaderState, 128],
    ["slot record with a short name", ReaderState100, 100],
  ])("%s, three bytes of padding behind the ATR", (_what, layout, nameBytes) => {
    const wire = unhex(
      [
        `4c6162${zeros(nameBytes - 3)}`,
        ...["02010000", "34000000", "ffffffff"].map(word),
        `3b80800101${zeros(27)}ee`,
        "000000",
        ...["21000000", "02000000"].map(word),
      ].join(""),
    );
    const value = {
      name: "Lab",
      eventCounter: 0x102,
      state: 0x34,
      sharing: -1,
      atr: unhex(`3b80800101${zeros(27)}ee`),
      atrLength: 33,
      protocol: 2,
    };
    expect(layout.decode(wire, order)).toEqual(value);
    expect(layout.encode(value, order)).toEqual(wire);
  });
});

test("a name that is too long is refused", () => {
  const connect = { context: 0, share: 0, protocols: 0, card: 0, activeProtocol: 0, rv: 0 };
  const encode = (length: number) => () =>
    Connect.encode({ ...connect, reader: "x".repeat(length) }, "little");
  expect(encode(127)()[131]).toBe(0);
  expect(encode(128)).toThrow(RangeError);
});
