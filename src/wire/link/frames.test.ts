import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProtocolError } from "../../domain/errors.ts";
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  kinds,
  LeaseFlag,
  LeaseReason,
  MAX_FRAME,
  Type,
} from "./frames.ts";

const u32 = fc.nat(0xffff_ffff);

/** Bytes by hand, as docs/link-protocol.md has them. */
const vectors: readonly (readonly [string, Uint8Array])[] = [
  ["00000008 00000006 0000000000000007", encodeFrame(Type.Acknowledge, { received: 7 })],
  ["00000008 00000006 0000000100000000", encodeFrame(Type.Acknowledge, { received: 2 ** 32 })],
  ["00000004 00000007 0000002a", encodeFrame(Type.Ping, { token: 42 })],
  [
    "0000000c 00000042 00000001 00000000 00000001",
    encodeFrame(Type.Begin, { card: 1, call: 0, flags: 1 }),
  ],
  [
    "00000018 00000044 00000001 00000005 00000000 00000002 00000002 00a40000",
    encodeFrame(
      Type.Transmit,
      { card: 1, call: 5, flags: 0, sendProtocol: 2, receiveProtocol: 2 },
      Uint8Array.of(0x00, 0xa4, 0x00, 0x00),
    ),
  ],
  [
    "00000016 00000061 00000005 00000000 00000002 ffffffff 00000000 9000",
    encodeFrame(
      Type.Result,
      { call: 5, rv: 0, protocol: 2, length: -1, ahead: 0 },
      Uint8Array.of(0x90, 0x00),
    ),
  ],
  [
    `0000008c 0000004f 00000001 00000001 000927c0 436172640000${"00".repeat(122)}`,
    encodeFrame(Type.Lease, { lease: 1, flags: LeaseFlag.Wait, forMs: 600_000, reader: "Card" }),
  ],
  ["00000008 00000050 00000001 000927c0", encodeFrame(Type.Renew, { lease: 1, forMs: 600_000 })],
  ["00000004 00000051 00000001", encodeFrame(Type.Release, { lease: 1 })],
  [
    "00000010 00000064 00000001 0000019f01a73c00 000927c0",
    encodeFrame(Type.Leased, { lease: 1, fence: 0x19f_01a7_3c00, leftMs: 600_000 }),
  ],
  [
    "0000000b 00000065 00000001 00000002 626f62",
    encodeFrame(Type.Place, { lease: 1, ahead: 2 }, Buffer.from("bob")),
  ],
  [
    "0000000c 00000066 00000001 00000001 6f766572",
    encodeFrame(Type.LeaseOver, { lease: 1, reason: LeaseReason.Over }, Buffer.from("over")),
  ],
  ["00000006 0000004e 00000001 6f6b", encodeFrame(Type.Close, { reason: 1 }, Buffer.from("ok"))],
];

test.each(vectors)("%s", (hex, bytes) => {
  expect(Buffer.from(bytes).toString("hex")).toBe(hex.replaceAll(" ", ""));
});

/** Frames of every kind whose numbers are anything. */
const frame: fc.Arbitrary<Frame> = fc
  .tuple(
    fc.constantFrom(...Object.values(Type)),
    fc.infiniteStream(u32),
    fc.uint8Array({ maxLength: 40 }),
  )
  .map(([type, numbers, tail]) => {
    const { layout, tail: most } = kinds[type];
    const bytes = new Uint8Array(layout.size);
    const view = new DataView(bytes.buffer);
    // Names and the high half of counts stay 0: not every number there is one that can be written.
    const named = type === Type.Connect || type === Type.Lease;
    const bare = named ? layout.size - 128 : layout.size - (layout.size % 4);
    for (let at = 0; at < bare; at += 4) view.setUint32(at, numbers.next().value ?? 0);
    if (type === Type.Acknowledge || type === Type.Resumed) view.setUint32(0, 7);
    if (type === Type.Resume) view.setUint32(20, 7);
    if (type === Type.Leased) view.setUint32(4, 7);
    const body = layout.decode(bytes, "big");
    return { type, body, tail: tail.subarray(0, most) } as Frame;
  });

const encode = ({ type, body, tail }: Frame): Uint8Array => encodeFrame(type, body as never, tail);

test("frames come out as they went in, however they are cut", () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 90 })),
      (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(encode));
        const decoder = new FrameDecoder();
        const out: Frame[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          decoder.push(bytes.subarray(at, at + cut));
          at = Math.min(at + cut, bytes.length);
          for (let next = decoder.next(); next; next = decoder.next())
            out.push({ ...next, tail: Uint8Array.from(next.tail) });
        }
        expect(out).toEqual(frames.map((one) => ({ ...one, tail: Uint8Array.from(one.tail) })));
      },
    ),
  );
});

describe("what is no frame", () => {
  const head = (size: number, type: number): Uint8Array => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(0, size);
    new DataView(bytes.buffer).setUint32(4, type);
    return bytes;
  };

  test.each([
    ["an unknown type", head(0, 0x99)],
    ["a type that is a name of every object", head(0, 0)],
    ["too short", head(3, Type.Ping)],
    ["too long", head(5, Type.Ping)],
    ["far too long", head(0xffff_ffff, Type.Transmit)],
    ["a lease without a name", head(12, Type.Lease)],
    ["a reason without bounds", head(8 + 1_025, Type.LeaseOver)],
    ["a text without bounds", head(52 + 16 + 1_025, Type.Open)],
  ])("%s is refused at its header", (_, bytes) => {
    const decoder = new FrameDecoder();
    decoder.push(bytes);
    expect(() => decoder.next()).toThrow(ProtocolError);
  });

  const outcome = (decoder: FrameDecoder): string => {
    try {
      while (decoder.next());
      return "waits";
    } catch (error) {
      return error instanceof ProtocolError ? "refused" : String(error);
    }
  };

  test("random bytes are refused or wait for more, within bounds", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const decoder = new FrameDecoder();
        decoder.push(bytes);
        expect(outcome(decoder)).toMatch(/^(waits|refused)$/);
      }),
      { numRuns: 2_000 },
    );
  });

  test("no frame is longer than two answers", () => {
    expect(MAX_FRAME).toBeLessThan(140_000);
  });
});
