import { describe, expect, test } from "vitest";
import { type Conversation, converse, type Decoded } from "../../../test/captures/converse.ts";
import {
  loadHandshakes,
  loadSession,
  orderOf,
  type Session,
  sessionFiles,
  type Traffic,
  tohex,
  trafficOf,
} from "../../../test/captures/load.ts";
import { chunked, seeded } from "../../../test/captures/random.ts";
import { dialectOf, withShortNames } from "./dialects.ts";
import { Event, Header } from "./layouts.ts";
import { decodeArray, decodeSize, type Speech } from "./replies.ts";
import { byteOrderOf, RequestDecoder } from "./requests.ts";

const little = (minor: number): Speech => ({ dialect: dialectOf(minor), order: "little" });

/** Each stream is cut in several ways; the numbers are seeds. */
const SEEDS = [1, 2, 3];

const sessions = sessionFiles.map((file) => ({ file, session: loadSession(file) }));
/** Marked as decodable, but its client reads 8 bytes too early from the cancellation on; see the test of its own. */
const OUT_OF_STEP = "le64-4.2-all-1.8.3.json";
const decodable = sessions.filter(({ file, session }) => session.decodable && file !== OUT_OF_STEP);

const bytesOf = (decoded: readonly Decoded[], of: "wire" | "encoded") =>
  decoded.map((each) => `${each.what}: ${tohex(each[of])}`);

function expectSameBytes({ requests, messages }: Conversation): void {
  expect(bytesOf(requests, "encoded")).toEqual(bytesOf(requests, "wire"));
  expect(bytesOf(messages, "encoded")).toEqual(bytesOf(messages, "wire"));
}

function only(traffic: readonly Traffic[]): Traffic {
  expect(traffic).toHaveLength(1);
  return traffic[0]!;
}

const trafficIn = (file: string): Traffic => {
  const { events, blobs } = loadSession(file);
  return only(trafficOf(events, blobs));
};

describe("recorded sessions", () => {
  test("are all there", () => {
    expect(sessions).toHaveLength(36);
    expect(decodable).toHaveLength(29);
  });

  test.each(decodable)("$file decodes and encodes, both ways, to the last byte", ({ session }) => {
    for (const traffic of trafficOf(session.events, session.blobs))
      for (const seed of SEEDS) {
        const conversation = converse(traffic, { random: seeded(seed) });
        expectSameBytes(conversation);
        expect(conversation).toMatchObject({
          order: orderOf(session),
          leftOver: { sent: 0, received: new Uint8Array(0) },
          unanswered: 0,
          oddities: [],
          minor: traffic.conn === 1 ? minorOf(session) : 4, // the second only cancels
        });
      }
  });

  test.each([
    ["readers20-4.6.json", 20],
    ["readers20-client4.4-server4.6.json", 16],
  ])("%s shows %i readers", (file, count) => {
    const { events, blobs } = loadSession(file);
    const { readers } = converse(trafficOf(events, blobs)[0]!, { random: seeded(1) });
    expect(readers.map((states) => states.length)).toContain(count);
    expect(Math.max(...readers.map((states) => states.length))).toBe(count);
  });

  test("events-4.6-card-and-reader.json shows card and reader come and go", () => {
    const { readers } = converse(trafficIn("events-4.6-card-and-reader.json"), {
      random: seeded(1),
    });
    const seen = readers.map(
      ([state]) => state && [state.eventCounter, state.state, state.sharing],
    );
    expect(seen.filter((each, index) => String(each) !== String(seen[index - 1]))).toEqual([
      [0, 0x34, 0],
      [1, 0x02, 0],
      [2, 0x34, 0],
      [2, 0x34, 1],
      [2, 0x01, 1], // the reader is about to go
      undefined,
      [0, 0x34, 0],
    ]);
  });
});

describe("release 1.8.3, 4:2 with names of 100 bytes", () => {
  const { events, blobs } = loadSession(OUT_OF_STEP);
  const [first, canceller] = trafficOf(events, blobs);

  test("the canceller's connection decodes without a handshake", () => {
    const conversation = converse(canceller!, { random: seeded(1) });
    expectSameBytes(conversation);
    expect(conversation).toMatchObject({ unanswered: 0, requests: [{ what: "request 13" }] });
  });

  test.each(SEEDS)("decodes, with an event for the wait that was cancelled (seed %i)", (seed) => {
    const conversation = converse(first!, { random: seeded(seed), shortNames: true });
    const { requests, messages, leftOver, unanswered, oddities } = conversation;
    expect(oddities).toEqual([]);
    // Behind the name there is what the client's stack held: the only bytes that do not come back.
    expect(bytesOf(requests.map(withoutResidue), "encoded")).toEqual(
      bytesOf(requests.map(withoutResidue), "wire"),
    );
    expect(bytesOf(messages.map(withoutResidue), "encoded")).toEqual(
      bytesOf(messages.map(withoutResidue), "wire"),
    );
    const different = [...requests, ...messages].filter(
      ({ wire, encoded }) => tohex(wire) !== tohex(encoded),
    );
    expect(different.map(({ what }) => what)).toEqual([
      "request 4",
      "request 4",
      "request 4",
      "reply 4",
    ]);
    // The client read less than the daemon sent: 8 bytes of it here, replies that it took for errors there.
    expect(messages).toHaveLength(24);
    expect(unanswered).toBe(8);
    expect(leftOver.received).toHaveLength(43);
  });

  test("CONNECT shows the short names to a decoder that expects long ones", () => {
    const decoder = new RequestDecoder(dialectOf(2));
    decoder.push(first!.sent);
    const sizes: number[] = [];
    for (let request = decoder.next(); request; request = decoder.next())
      if (request.command === 4) sizes.push(decoder.dialect.connect.size);
    expect(sizes).toEqual([124, 124, 124]);
    expect(decoder).toMatchObject({ buffered: 0, dialect: withShortNames(dialectOf(2)) });
  });

  function withoutResidue({ what, wire, encoded }: Decoded): Decoded {
    if (!what.endsWith(" 4")) return { what, wire, encoded };
    const start = (what === "request 4" ? Header.size : 0) + 4;
    const cleared = wire.slice();
    cleared.fill(0, cleared.indexOf(0, start), start + 100);
    return { what, wire: cleared, encoded };
  }
});

describe("recordings of mismatched ends", () => {
  test("a big-endian client is recognised by its first header", () => {
    const { sent } = trafficIn("bug-be-client-le-server.json");
    expect(sent).toHaveLength(Header.size);
    expect(byteOrderOf(sent)).toBe("big");
    expect(Header.decode(sent, "big")).toEqual({ size: 12, command: 0x11 });
  });

  test("16 short records are too few bytes for 16 long ones", () => {
    const traffic = trafficIn("bug-client1.8.8-server1.8.3-namelen.json");
    const long = converse(traffic, { random: seeded(1) });
    expect(long).toMatchObject({ unanswered: 1, leftOver: { sent: 0 } });
    expect(long.leftOver.received).toHaveLength(2496);
    const short = converse(traffic, { random: seeded(1), shortNames: true });
    expectSameBytes(short);
    expect(short).toMatchObject({ unanswered: 0, readers: [[{ name: "Lab Reader 00 00" }]] });
  });

  test.each([
    ["bug-client2.5.1-server1.9.9-gsc-first.json", 24],
    ["bug-client2.5.1-server2.4.1-gsc-first.json", 32],
  ])("%s: what the daemon sends stays in step; the client stops reading", (file, left) => {
    const conversation = converse(trafficIn(file), { random: seeded(1) });
    expectSameBytes(conversation);
    expect(conversation.oddities).toEqual([]);
    expect(conversation.leftOver.received).toHaveLength(left);
    // The next array's beginning, which the client took for a STOP reply and for other things.
    const text = Buffer.from(conversation.leftOver.received).toString("latin1");
    expect(text).toContain("Lab Reader 00 00");
  });

  test("an event in front of the number of slots", () => {
    const { received } = trafficIn("bug-race-4.6-event-before-size.json");
    expect(Event.decode(received, "little")).toEqual({ timeOut: 0, rv: 0 });
    expect(decodeSize(received.subarray(8), "little")).toBe(2);
    expect(received).toHaveLength(8 + 4);
  });

  test("an event in front of the array", () => {
    const { received } = trafficIn("bug-race-4.6-event-before-array.json");
    expect(decodeSize(received, "little")).toBe(2);
    expect(Event.decode(received.subarray(4), "little")).toEqual({ timeOut: 0, rv: 0 });
    expect(decodeArray(received.subarray(12), little(6))).toMatchObject([
      { name: "Lab Reader 00 00", eventCounter: 12, state: 0x34, atrLength: 5 },
    ]);
    expect(received).toHaveLength(4 + 8 + 2 * 184);
  });

  test.each(
    sessions.filter(
      ({ file, session }) => !session.decodable && file !== "bug-be-client-le-server.json",
    ),
  )("$file: every request decodes nevertheless", ({ session }) => {
    const { sent } = only(trafficOf(session.events, session.blobs));
    const { requests, leftOver } = converse(
      { conn: 1, sent, received: new Uint8Array(0) },
      { random: seeded(4) },
    );
    expect(leftOver.sent).toBe(0);
    expect(bytesOf(requests, "encoded")).toEqual(bytesOf(requests, "wire"));
  });
});

describe("handshakes of 7 by 7 releases", () => {
  const handshakes = loadHandshakes();

  test("are all there", () => {
    expect(handshakes).toHaveLength(49);
  });

  test.each(handshakes)("client $client, daemon $server: $establishResult", (handshake) => {
    const conversation = converse(only(trafficOf(handshake.bytes)), { random: seeded(5) });
    expectSameBytes(conversation);
    expect(conversation).toMatchObject({
      unanswered: 0,
      oddities: [],
      leftOver: { sent: 0, received: new Uint8Array(0) },
    });
    const established = handshake.establishResult === "0x00000000";
    const whats = conversation.requests.map(({ what }) => what);
    expect(whats.filter((what) => what !== "request 17")).toEqual(
      established ? ["request 1", "request 2"] : [],
    );
    const minors = [handshake.clientProtocol, handshake.serverProtocol].map(minorIn);
    expect(!established || conversation.minor === Math.min(...minors)).toBe(true);
  });
});

test("chunks put together are the stream", () => {
  const stream = Uint8Array.from({ length: 5000 }, (_, index) => index & 0xff);
  expect(Buffer.concat(chunked(stream, seeded(9), 7)).equals(stream)).toBe(true);
});

function minorIn(protocol: string): number {
  return Number(protocol.split(":")[1]);
}

function minorOf({ client, server }: Session): number {
  return Math.min(minorIn(client.protocol), minorIn(server.protocol));
}
