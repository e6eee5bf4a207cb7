import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tohex, unhex } from "../../../test/captures/load.ts";
import { chunked, cutAt, seeded } from "../../../test/captures/random.ts";
import { ProtocolError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { ByteQueue } from "../byte-queue.ts";
import type { ByteOrder } from "../struct.ts";
import { replyKind } from "./calls.ts";
import { Command, MAX_PAYLOAD } from "./constants.ts";
import { dialectOf, withShortNames } from "./dialects.ts";
import { ReaderState, type Transmit } from "./layouts.ts";
import {
  decodeArray,
  decodeSize,
  encodeArray,
  encodeEvent,
  encodeReaderEvents,
  encodeReply,
  encodeSize,
  type Reply,
  type Speech,
  takeReply,
} from "./replies.ts";

const orders: readonly ByteOrder[] = ["little", "big"];
const little: Speech = { dialect: dialectOf(4), order: "little" };

const transmit: Transmit = {
  card: 77,
  sendProtocol: 2,
  sendPciLength: 16,
  sendLength: 5,
  receiveProtocol: 1,
  receivePciLength: 16,
  receiveLength: 2,
  rv: 0,
};

const lab: ReaderState = {
  name: "Lab",
  eventCounter: 0x102,
  state: 0x34,
  sharing: -1,
  atr: unhex("3b80800101".padEnd(66, "0")),
  atrLength: 5,
  protocol: 2,
};

function queue(...chunks: readonly Uint8Array[]): ByteQueue {
  const filled = new ByteQueue();
  for (const chunk of chunks) filled.push(new Uint8Array(chunk));
  return filled;
}

describe("a reply", () => {
  // Written by hand from winscard_msg.h, not made with the code under test.
  test.each([
    ["little", "4d000000 02000000 10000000 05000000 01000000 10000000 02000000 00000000 9000"],
    ["big", "0000004d 00000002 00000010 00000005 00000001 00000010 00000002 00000000 9000"],
  ] as const)("TRANSMIT in %s-endian bytes", (order, hex) => {
    const speech: Speech = { ...little, order };
    const wire = unhex(hex);
    const payload = unhex("9000");
    const encoded = encodeReply(Command.Transmit, transmit, speech, payload);
    expect(tohex(encoded)).toBe(tohex(wire));
    expect(takeReply(queue(wire), Command.Transmit, speech)).toEqual({ body: transmit, payload });
  });

  test("that failed has no payload, whatever length it tells", () => {
    const body = { ...transmit, receiveLength: 514, rv: Rv.InsufficientBuffer };
    const input = queue(encodeReply(Command.Transmit, body, little), unhex("ff"));
    const reply = takeReply(input, Command.Transmit, little);
    expect(reply).toEqual({ body, payload: new Uint8Array(0) });
    expect(input.length).toBe(1);
  });

  test("of CONTROL that failed has none either", () => {
    const rv = Rv.InsufficientBuffer;
    const body = { card: 7, code: 1, sendLength: 0, receiveLength: 2, returned: 5, rv };
    const input = queue(encodeReply(Command.Control, body, little), unhex("ff"));
    const reply = takeReply(input, Command.Control, little);
    expect(reply).toEqual({ body, payload: new Uint8Array(0) });
    expect(input.length).toBe(1);
  });

  test("is taken whole or not at all", () => {
    const input = new ByteQueue();
    const wire = encodeReply(Command.Transmit, transmit, little, unhex("9000"));
    for (const byte of wire) {
      expect(takeReply(input, Command.Transmit, little)).toBeUndefined();
      input.push(Uint8Array.of(byte));
    }
    expect(takeReply(input, Command.Transmit, little)).toMatchObject({ payload: unhex("9000") });
    expect(input.length).toBe(0);
  });

  test("any sequence comes out the same, cut anywhere, in either byte order", () => {
    const replies = fc.array(
      fc.record({
        rv: fc.constantFrom(0, Rv.InsufficientBuffer, Rv.ResetCard),
        card: fc.integer(),
        answer: fc.uint8Array({ maxLength: 300 }),
      }),
      { maxLength: 8 },
    );
    const cuts = fc.array(fc.nat(2_000), { maxLength: 40 });
    fc.assert(
      fc.property(fc.constantFrom(...orders), replies, cuts, (order, all, places) => {
        const speech: Speech = { ...little, order };
        const sent = all.map(({ rv, card, answer }): Reply<Transmit> => {
          const payload = rv === 0 ? answer : new Uint8Array(0);
          return { body: { ...transmit, rv, card, receiveLength: answer.length }, payload };
        });
        const stream = Buffer.concat(
          sent.map(({ body, payload }) => encodeReply(Command.Transmit, body, speech, payload)),
        );
        const input = new ByteQueue();
        const got: Reply<Transmit>[] = [];
        for (const chunk of cutAt(new Uint8Array(stream), places)) {
          input.push(chunk);
          for (;;) {
            const reply = takeReply(input, Command.Transmit, speech);
            if (!reply) break;
            got.push({ ...reply, payload: reply.payload.slice() });
          }
        }
        expect(got).toEqual(sent);
        expect(input.length).toBe(0);
      }),
    );
  });

  test("of the longest payload passes; one byte more is refused before it has come", () => {
    const longest = { ...transmit, receiveLength: MAX_PAYLOAD };
    const payload = new Uint8Array(MAX_PAYLOAD);
    const wire = encodeReply(Command.Transmit, longest, little, payload);
    expect(takeReply(queue(wire), Command.Transmit, little)?.payload).toHaveLength(65_548);
    const longer = encodeReply(Command.Transmit, { ...transmit, receiveLength: 65_549 }, little);
    expect(() => takeReply(queue(longer), Command.Transmit, little)).toThrow(
      new ProtocolError("SCardTransmit answers 65549 bytes; 65548 is the limit"),
    );
  });

  test("of CONTROL has the same limit", () => {
    const body = { card: 1, code: 2, sendLength: 0, receiveLength: 9, returned: 0xffffffff, rv: 0 };
    const wire = encodeReply(Command.Control, body, little);
    expect(() => takeReply(queue(wire), Command.Control, little)).toThrow(
      "SCardControl answers 4294967295 bytes; 65548 is the limit",
    );
  });

  test("of GET_ATTRIB cannot hold more than its buffer, unless it failed", () => {
    const attribute = { card: 1, id: 2, value: unhex("aa"), length: 265, rv: 0 };
    const take = (body: typeof attribute) =>
      takeReply(queue(encodeReply(Command.GetAttrib, body, little)), Command.GetAttrib, little);
    expect(() => take(attribute)).toThrow(
      new ProtocolError("SCardGetAttrib answers 265 bytes; 264 is the limit"),
    );
    expect(take({ ...attribute, length: 264 })?.body.length).toBe(264);
    expect(take({ ...attribute, rv: Rv.InsufficientBuffer })?.body.length).toBe(265);
  });
});

describe("an event", () => {
  test.each([
    ["little", "00000000 02001080"],
    ["big", "00000000 80100002"],
  ] as const)("in %s-endian bytes", (order, hex) => {
    expect(encodeEvent({ timeOut: 0, rv: Rv.Cancelled }, order)).toEqual(unhex(hex));
  });

  test("the plug counter comes with a return code", () => {
    expect(encodeReaderEvents(258, "little")).toEqual(unhex("02010000 00000000"));
    expect(encodeReaderEvents(258, "big")).toEqual(unhex("00000102 00000000"));
  });
});

describe("the number of slots", () => {
  test.each([0, 2, 16, 256])("%i", (slots) => {
    for (const order of orders) expect(decodeSize(encodeSize(slots, order), order)).toBe(slots);
  });

  test("is four bytes", () => {
    expect(encodeSize(20, "little")).toEqual(unhex("14000000"));
    expect(encodeSize(20, "big")).toEqual(unhex("00000014"));
  });

  test.each([
    ["ffffffff", -1],
    ["01010000", 257],
    ["00000080", -(2 ** 31)],
    ["ffffff7f", 2 ** 31 - 1],
  ])("%s is none", (hex, slots) => {
    expect(() => decodeSize(unhex(hex), "little")).toThrow(
      new ProtocolError(`a list of ${slots} slots`),
    );
  });
});

describe("an array", () => {
  // By hand: name, counter, state, sharing, ATR, three bytes of padding, its length, protocol.
  const record = (order: ByteOrder): string => {
    const words = {
      little: ["02010000", "34000000", "ffffffff", "05000000", "02000000"],
      big: ["00000102", "00000034", "ffffffff", "00000005", "00000002"],
    }[order];
    const [counter, state, sharing, length, protocol] = words;
    const atr = `3b80800101 ${"00".repeat(28)}`;
    return `4c6162 ${"00".repeat(125)} ${counter} ${state} ${sharing} ${atr} 000000 ${length} ${protocol}`;
  };

  test.each(orders)("of two slots, one used, in %s-endian bytes", (order) => {
    const speech: Speech = { ...little, order };
    const wire = unhex(record(order) + "00".repeat(184));
    expect(wire).toHaveLength(2 * 184);
    expect(encodeArray([lab], 2, speech)).toEqual(wire);
    expect(decodeArray(wire, speech)).toEqual([lab]);
  });

  test("keeps the order of the used slots, with holes between", () => {
    const other = { ...lab, name: "Other" };
    const hole = { ...lab, name: "" };
    const wire = encodeArray([hole, lab, hole, other], 16, little);
    expect(wire).toHaveLength(2944);
    expect(decodeArray(wire, little)).toEqual([lab, other]);
  });

  test("has room for as many as it has slots", () => {
    const states = Array.from({ length: 20 }, (_, index) => ({ ...lab, name: `Lab ${index}` }));
    expect(decodeArray(encodeArray(states, 16, little), little)).toEqual(states.slice(0, 16));
  });

  test("of short names has records of 156 bytes", () => {
    const speech: Speech = { ...little, dialect: withShortNames(dialectOf(2)) };
    const wire = encodeArray([lab], 16, speech);
    expect(wire).toHaveLength(2496);
    expect(decodeArray(wire, speech)).toEqual([lab]);
  });

  test("of nothing is nothing", () => {
    expect(decodeArray(new Uint8Array(0), little)).toEqual([]);
    expect(encodeArray([], 0, little)).toHaveLength(0);
  });

  test.each([34, 255, 0xffff_ffff])(
    "an ATR of %i bytes is none, neither from a daemon nor for a client",
    (atrLength) => {
      const wire = ReaderState.encode({ ...lab, atrLength }, "little");
      expect(decodeArray(wire, little)).toEqual([{ ...lab, atrLength: 0 }]);
      const sent = encodeArray([{ ...lab, atrLength }], 1, little);
      expect(ReaderState.decode(sent, "little").atrLength).toBe(0);
    },
  );

  test("an ATR of 33 bytes stays", () => {
    const full = { ...lab, atr: new Uint8Array(33).fill(1), atrLength: 33 };
    expect(decodeArray(encodeArray([full], 1, little), little)).toEqual([full]);
  });

  test.each([1, 183, 185, 2943])("%i bytes are none", (length) => {
    expect(() => decodeArray(new Uint8Array(length), little)).toThrow(
      new ProtocolError(`${length} bytes are no array of slot records`),
    );
  });

  test.each(["state", "protocol", "eventCounter"] as const)(
    "a record whose %s is out of any range is refused",
    (field) => {
      const at = (value: number) => {
        const good = ReaderState.encode(lab, "little");
        const bad = ReaderState.encode({ ...lab, [field]: value }, "little");
        return new Uint8Array(Buffer.concat([good, bad]));
      };
      expect(decodeArray(at(0xffff), little)).toHaveLength(2);
      expect(() => decodeArray(at(0x10000), little)).toThrow(
        new ProtocolError("slot 1 holds no slot record"),
      );
    },
  );

  test("in the wrong byte order is refused", () => {
    expect(() => decodeArray(encodeArray([lab], 16, little), { ...little, order: "big" })).toThrow(
      ProtocolError,
    );
  });
});

describe("any bytes at all", () => {
  test("20,000 replies and arrays end in nothing worse than a ProtocolError", () => {
    const random = seeded(7);
    const commands = Object.values(Command);
    const outcomes = { whole: 0, refused: 0 };
    const attempt = (run: () => unknown): void => {
      try {
        run();
        outcomes.whole += 1;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        outcomes.refused += 1;
      }
    };
    for (let round = 0; round < 20_000; round++) {
      const speech: Speech = { dialect: dialectOf(2 + (round % 5)), order: orders[round % 2]! };
      const noise = encodeArray([lab, lab, lab], 3, speech).map((byte) =>
        random() < 0.02 ? random() * 256 : byte,
      );
      const command = commands[Math.floor(random() * commands.length)] as typeof Command.Version;
      attempt(() => {
        const input = queue(...chunked(noise, random, 100));
        const reply = takeReply(input, command, speech);
        expect(input.length).toBeLessThanOrEqual(noise.length);
        // What was understood can be sent on.
        return reply && encodeReply(command, reply.body, speech, reply.payload);
      });
      attempt(() => encodeArray(decodeArray(noise, speech), 16, speech));
    }
    expect(Math.min(outcomes.whole, outcomes.refused)).toBeGreaterThan(4_000);
  });
});

test("what WAIT is answered with is a matter of the dialect", () => {
  const kinds = [2, 3, 4, 5, 6].map((minor) =>
    replyKind(Command.WaitReaderStateChange, dialectOf(minor)),
  );
  expect(kinds).toEqual(["none", "none", "array", "array", "none"]);
  expect(replyKind(Command.GetReadersState, dialectOf(6))).toBe("array");
});

test.each([0, 1, 7, 4.5, -1, Number.NaN])("there is no dialect 4:%s", (minor) => {
  expect(() => dialectOf(minor)).toThrow(RangeError);
});
