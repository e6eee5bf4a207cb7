import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyRequest, randomRequest } from "../../../test/captures/arbitrary.ts";
import { reencoded } from "../../../test/captures/converse.ts";
import { tohex, unhex } from "../../../test/captures/load.ts";
import { chunked, cutAt, seeded } from "../../../test/captures/random.ts";
import { ProtocolError } from "../../domain/errors.ts";
import type { ByteOrder } from "../struct.ts";
import type { Request } from "./calls.ts";
import { Command } from "./constants.ts";
import { type Dialect, dialectOf, withShortNames } from "./dialects.ts";
import { Header } from "./layouts.ts";
import { byteOrderOf, encodeRequest, MAX_REQUEST, RequestDecoder } from "./requests.ts";

const orders: readonly ByteOrder[] = ["little", "big"];
const dialects: readonly Dialect[] = [
  ...[2, 3, 4, 5, 6].map((minor) => dialectOf(minor)),
  withShortNames(dialectOf(2)),
];

function decoded(chunks: readonly Uint8Array[], dialect?: Dialect): Request[] {
  const decoder = new RequestDecoder(dialect);
  const requests: Request[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    // The payload is only good until the next push.
    for (let next = decoder.next(); next; next = decoder.next())
      requests.push({ ...next, payload: next.payload.slice() });
  }
  expect(decoder.buffered).toBe(0);
  return requests;
}

describe("requests", () => {
  // The vectors are written by hand from winscard_msg.h, not made with the code under test.
  const transmit = {
    card: 77,
    sendProtocol: 2,
    sendPciLength: 16,
    sendLength: 3,
    receiveProtocol: 3,
    receivePciLength: 8,
    receiveLength: 258,
    rv: 0,
  };
  test.each([
    [
      "little",
      "20000000 09000000 4d000000 02000000 10000000 03000000 03000000 08000000 02010000 00000000 00b000",
    ],
    [
      "big",
      "00000020 00000009 0000004d 00000002 00000010 00000003 00000003 00000008 00000102 00000000 00b000",
    ],
  ] as const)("TRANSMIT in %s-endian bytes", (order, hex) => {
    const wire = unhex(hex);
    const payload = unhex("00b000");
    const dialect = dialectOf(4);
    const encoded = encodeRequest(Command.Transmit, transmit, { dialect, order }, payload);
    expect(tohex(encoded)).toBe(tohex(wire));
    expect(decoded([wire])).toEqual([{ command: Command.Transmit, body: transmit, payload }]);
  });

  test("WAIT has a body up to 4:3 and none from 4:4 on, whatever the caller gives", () => {
    const wait = (minor: number, body: { timeOut?: number; rv?: number }) =>
      new Uint8Array(
        encodeRequest(Command.WaitReaderStateChange, body, {
          dialect: dialectOf(minor),
          order: "little",
        }),
      );
    const long = unhex("08000000 13000000 2c010000 00000000");
    const short = unhex("00000000 13000000");
    expect(wait(3, { timeOut: 300, rv: 0 })).toEqual(long);
    expect(wait(3, {})).toEqual(unhex("08000000 13000000 00000000 00000000"));
    expect(wait(4, { timeOut: 300, rv: 0 })).toEqual(short);
    expect(wait(6, {})).toEqual(short);
    expect(decoded([long], dialectOf(3))).toMatchObject([{ body: { timeOut: 300, rv: 0 } }]);
    expect(decoded([short], dialectOf(4))).toMatchObject([{ body: {} }]);
  });

  test("any sequence comes out the same, cut anywhere, in either byte order", () => {
    const given = fc.constantFrom(...dialects).chain((dialect) =>
      fc.record({
        dialect: fc.constant(dialect),
        order: fc.constantFrom(...orders),
        requests: fc.array(anyRequest(dialect), { maxLength: 8 }),
        cuts: fc.array(fc.nat(2_000), { maxLength: 40 }),
      }),
    );
    fc.assert(
      fc.property(given, ({ dialect, order, requests, cuts }) => {
        const stream = Buffer.concat(
          requests.map((request) => reencoded(request, { dialect, order })),
        );
        expect(decoded(cutAt(new Uint8Array(stream), cuts), dialect)).toEqual(requests);
      }),
    );
  });

  test("come out as soon as their last byte is there", () => {
    const stream = unhex("08000000 0b000000 4d000000 00000000");
    const decoder = new RequestDecoder();
    for (const byte of stream.subarray(0, -1)) {
      decoder.push(Uint8Array.of(byte));
      expect(decoder.next()).toBeUndefined();
    }
    expect(decoder.buffered).toBe(15);
    decoder.push(stream.subarray(-1));
    expect(decoder.next()).toMatchObject({ command: Command.Status, body: { card: 77 } });
    expect(decoder.buffered).toBe(0);
  });

  test("the longest payload passes", () => {
    const payload = new Uint8Array(65_548).fill(7);
    const body = { ...transmit, sendLength: payload.length };
    const speech = { dialect: dialectOf(4), order: "little" } as const;
    const wire = encodeRequest(Command.Transmit, body, speech, payload);
    expect(wire).toHaveLength(MAX_REQUEST);
    const [request] = decoded(chunked(wire, seeded(1), 1_000));
    expect(request?.payload).toEqual(payload);
  });

  test("the size of a command without a body is not looked at, as real daemons do not", () => {
    expect(decoded([unhex("ff000000 12000000 08000000 0b000000 4d000000 00000000")])).toMatchObject(
      [{ command: Command.GetReadersState }, { command: Command.Status }],
    );
  });

  test("the dialect may change between two requests of one chunk", () => {
    const wait = "08000000 13000000 2c010000 00000000";
    const decoder = new RequestDecoder(dialectOf(4));
    decoder.push(unhex(`0c000000 11000000 04000000 03000000 00000000 ${wait} ${wait}`));
    expect(decoder.next()).toMatchObject({ command: Command.Version, body: { minor: 3 } });
    decoder.dialect = dialectOf(3);
    expect(decoder.next()).toMatchObject({ command: 0x13, body: { timeOut: 300, rv: 0 } });
    decoder.dialect = dialectOf(4);
    expect(decoder.next()).toMatchObject({ command: 0x13, body: {} });
    // What was the body is now the next header.
    expect(() => decoder.next()).toThrow("unknown command 0x00");
  });

  test("short names are found in CONNECT, in 4:2 only", () => {
    const connect = unhex(`7c000000 04000000 4d000000 4c616200 ${"00".repeat(116)}`);
    const decoder = new RequestDecoder(dialectOf(2));
    decoder.push(connect);
    expect(decoder.next()).toMatchObject({ command: 4, body: { context: 77, reader: "Lab" } });
    expect(decoder.dialect).toEqual(withShortNames(dialectOf(2)));
    expect(() => decoded([connect], dialectOf(3))).toThrow("SCardConnect has 124 bytes, not 152");
  });
});

describe("what is no request ends the stream", () => {
  const length = (value: number) => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return Buffer.from(bytes).toString("hex");
  };
  const attribute = (command: string, value: number) =>
    `18010000 ${command}000000 4d000000 03030900 ${"00".repeat(264)} ${length(value)} 00000000`;

  test.each([
    ["an unknown command", "00000000 2a000000", "unknown command 0x2a"],
    [
      "command 0",
      "0c000000 01000000".padEnd(41, "0") + "00000000 00000000",
      "unknown command 0x00",
    ],
    ["a reserved command", "00000000 03000000", "unknown command 0x03"],
    ["a large unknown command", "00000000 18000000", "unknown command 0x18"],
    ["a struct that is too long", "21000000 09000000", "SCardTransmit has 33 bytes, not 32"],
    ["a struct that is too short", "00000000 11000000", "version has 0 bytes, not 12"],
    [
      "the other byte order in a later request",
      "08000000 0b000000 4d000000 00000000 00000008 0000000b",
      "unknown command 0xb000000",
    ],
    [
      "TRANSMIT over the limit",
      `20000000 09000000 ${"00".repeat(12)} ${length(65_549)} ${"00".repeat(16)}`,
      "SCardTransmit announces 65549 bytes; 65548 is the limit",
    ],
    [
      "TRANSMIT of 4 GiB",
      `20000000 09000000 ${"00".repeat(12)} ffffffff ${"00".repeat(16)}`,
      "SCardTransmit announces 4294967295 bytes; 65548 is the limit",
    ],
    [
      "CONTROL over the limit",
      `18000000 0a000000 ${"00".repeat(8)} ${length(65_549)} ${"00".repeat(12)}`,
      "SCardControl announces 65549 bytes; 65548 is the limit",
    ],
    [
      "GET_ATTRIB over the limit",
      attribute("0f", 265),
      "SCardGetAttrib announces 265 bytes; 264 is the limit",
    ],
    [
      "SET_ATTRIB over the limit",
      attribute("10", 265),
      "SCardSetAttrib announces 265 bytes; 264 is the limit",
    ],
  ])("%s", (_what, hex, message) => {
    const decoder = new RequestDecoder();
    decoder.push(unhex(hex));
    const all = () => {
      while (decoder.next());
    };
    expect(all).toThrow(ProtocolError);
    // It stays at an end: nothing after it is taken for a request.
    decoder.push(unhex("08000000 0b000000 4d000000 00000000"));
    expect(all).toThrow(message);
    expect(all).toThrow(message);
  });

  test.each([
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n")],
    ["a TLS hello", unhex("16030101 32010001")],
    ["zeros", new Uint8Array(8)],
    ["a command in the middle", unhex("0c000000 00110000")],
    ["a command at both ends", unhex("0c000000 11000011")],
    ["text of 8 bytes", Buffer.from("SSH-2.0-")],
    ["fewer than 8 bytes", unhex("0c000000")],
  ])("%s is no header", (_what, bytes) => {
    expect(() => byteOrderOf(new Uint8Array(bytes))).toThrow(ProtocolError);
    const decoder = new RequestDecoder();
    decoder.push(new Uint8Array(bytes));
    decoder.push(new Uint8Array(8));
    expect(() => decoder.next()).toThrow("the peer does not speak pcsc-lite's protocol");
  });

  test.each([
    ["little", "0c000000 11000000"],
    ["big", "0000000c 00000011"],
    ["little", "08000000 0d000000"],
  ])("a %s-endian header is recognised", (order, hex) => {
    expect(byteOrderOf(unhex(hex))).toBe(order);
  });

  test("the limits themselves pass", () => {
    expect(decoded([unhex(attribute("0f", 264)), unhex(attribute("10", 0))])).toMatchObject([
      { body: { length: 264 } },
      { body: { length: 0 } },
    ]);
  });
});

describe("any bytes at all", () => {
  /** What became of a stream: how it ended, and the most that was held of it. */
  function outcome(chunks: readonly Uint8Array[], dialect: Dialect): unknown {
    const decoder = new RequestDecoder(dialect);
    let pushed = 0;
    let requests = 0;
    for (const chunk of chunks) {
      pushed += chunk.length;
      decoder.push(chunk);
      try {
        while (decoder.next()) requests += 1;
      } catch (error) {
        return error;
      }
      if (requests * Header.size + decoder.buffered > pushed) return "more than was pushed";
      if (decoder.buffered >= MAX_REQUEST) return "more than the longest request";
    }
    return undefined;
  }

  function mutated(stream: Uint8Array, random: () => number): Uint8Array {
    const out = stream.slice();
    const at = (length: number) => Math.floor(random() * length);
    for (let count = at(4); count > 0 && out.length > 0; count--)
      out[at(out.length)] = random() < 0.5 ? at(256) : [0, 1, 0x7f, 0x80, 0xff][at(5)]!;
    return random() < 0.3 ? out.subarray(at(8)) : out;
  }

  test("20,000 streams end in nothing worse than a ProtocolError", () => {
    const random = seeded(20_000);
    const outcomes = { whole: 0, refused: 0 };
    for (let round = 0; round < 20_000; round++) {
      const dialect = dialects[round % dialects.length]!;
      const order = orders[round % 2]!;
      const valid = Buffer.concat(
        Array.from({ length: 1 + Math.floor(random() * 5) }, () =>
          reencoded(randomRequest(dialect, random), { dialect, order }),
        ),
      );
      const stream =
        round % 10 === 9
          ? Uint8Array.from({ length: 64 }, () => random() * 256)
          : mutated(new Uint8Array(valid), random);
      const end = outcome(chunked(stream, random, 200), dialect);
      if (end !== undefined && !(end instanceof ProtocolError))
        throw new Error(`round ${round}: ${Buffer.from(stream).toString("hex")}`, { cause: end });
      outcomes[end ? "refused" : "whole"] += 1;
    }
    // Both ends are reached often enough for this to mean something.
    expect(Math.min(outcomes.whole, outcomes.refused)).toBeGreaterThan(4_000);
  });
});
