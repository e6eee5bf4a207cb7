import { vi } from "vitest";
import { ProtocolError } from "../../src/domain/errors.ts";
import { takeRegistered, takeUncounted } from "../../src/services/pcscd/snapshot.ts";
import { ByteQueue } from "../../src/wire/byte-queue.ts";
import { Command } from "../../src/wire/pcsclite/constants.ts";
import { dialectOf } from "../../src/wire/pcsclite/dialects.ts";
import type { ReaderState } from "../../src/wire/pcsclite/layouts.ts";
import {
  decodeArray,
  decodeSize,
  encodeArray,
  type Speech,
  takeReply,
} from "../../src/wire/pcsclite/replies.ts";
import { MAX_REQUEST, RequestDecoder } from "../../src/wire/pcsclite/requests.ts";
import { chunked } from "../captures/random.ts";
import { request, words } from "../replay/bytes.ts";
import { Draw } from "./draw.ts";
import type { Input } from "./inputs.ts";
import type { DaemonInput } from "./replies.ts";
import { MAX_PAYLOAD, RequestReader } from "./request-reader.ts";

// What holds for both decoders, whatever arrives: nothing is thrown but ProtocolError, the chunks make no difference,
// and no more is kept than one message. Each throws an Error that says what does not hold.

/** Header, the longest struct, the longest payload; a message of a daemon has no header, but an array may be longer. */
const MAX_REPLY = 32 + MAX_PAYLOAD;
const MAX_ANSWER = 4 + 256 * 184 + 12 + 8;

function hold(holds: boolean, what: () => string): asserts holds {
  if (!holds) throw new Error(what());
}

/** Runs to the end or to a ProtocolError, which becomes the last line. */
function transcript(run: (tell: (line: string) => void) => void): string {
  const lines: string[] = [];
  try {
    run((line) => lines.push(line));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    lines.push("!");
  }
  return lines.join("\n");
}

/** The stream in one piece, in single bytes, and cut at random. */
function cuts(from: Buffer, seed: number): readonly Uint8Array[][] {
  const bytes = new Uint8Array(from); // a Buffer would be another thing in JSON
  const draw = new Draw(seed);
  const single = bytes.length <= 700 ? [chunked(bytes, () => 0, 1)] : [];
  const random = () => draw.below(1_000) / 1_000;
  return [[bytes], ...single, chunked(bytes, random, 50), chunked(bytes, random, 9_000)];
}

/** Bytes as hex. */
const plain = (_key: string, value: unknown): unknown =>
  ArrayBuffer.isView(value) && !(value instanceof DataView)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")
    : value;

/** Enough of a transcript to see what it is about. */
const excerpt = (text: string): string => text.slice(0, 1_000);

function same(transcripts: readonly string[]): string {
  const [first = "", ...others] = transcripts;
  for (const other of others)
    hold(
      other === first,
      () => `chunks make a difference:\n${excerpt(first)}\n--\n${excerpt(other)}`,
    );
  return first;
}

const minorIn = (body: object): number | undefined =>
  "minor" in body && Number(body.minor) >= 2 && Number(body.minor) <= 6
    ? Number(body.minor)
    : undefined;

/** The requests in a client's bytes: also, those that the independent reader finds. */
export function judgeRequests({ bytes, minor, seed }: Input): void {
  const decoded = (chunks: readonly Uint8Array[]): string =>
    transcript((tell) => {
      const decoder = new RequestDecoder(dialectOf(minor));
      for (const chunk of chunks) {
        decoder.push(chunk);
        for (let next = decoder.next(); next; next = decoder.next()) {
          tell(`${next.command} ${Buffer.from(next.payload).toString("hex")}`);
          const spoken = next.command === Command.Version ? minorIn(next.body) : undefined;
          if (spoken !== undefined) decoder.dialect = dialectOf(spoken);
        }
        hold(decoder.buffered < MAX_REQUEST, () => `${decoder.buffered} bytes are kept`);
      }
    });
  const told = same(cuts(bytes, seed).map(decoded));
  const expected = independent(bytes, minor);
  hold(told === expected, () => `decoded\n${excerpt(told)}\nbut there is\n${excerpt(expected)}`);
}

function independent(bytes: Buffer, minor: number): string {
  const reader = new RequestReader({ minor, lenient: true });
  const lines: string[] = [];
  reader.push(bytes);
  for (let next = reader.next(); next; next = reader.next()) {
    if ("violation" in next) return [...lines, "!"].join("\n");
    lines.push(`${next.command} ${next.payload.toString("hex")}`);
    const { struct, order, command } = next;
    if (command !== 0x11) continue;
    const spoken = order === "little" ? struct.readInt32LE(4) : struct.readInt32BE(4);
    if (spoken >= 2 && spoken <= 6) reader.minor = spoken;
  }
  return lines.join("\n");
}

type Take = (queue: ByteQueue) => unknown;

/** What a daemon's bytes are taken for, and how much of them may wait for the rest. */
function takeOf({ expects, order, minor }: DaemonInput): { take: Take; most: number } {
  const speech: Speech = { order, dialect: dialectOf(minor) };
  const registered: Take = (queue) => takeRegistered(queue, speech);
  if (expects === "registered") return { take: registered, most: MAX_ANSWER };
  if (expects === "uncounted")
    return { take: (queue) => takeUncounted(queue, speech), most: MAX_ANSWER };
  return {
    take: (queue) => takeReply(queue, expects as typeof Command.Transmit, speech),
    most: MAX_REPLY,
  };
}

/** Bytes of a record's name and ATR that an application is shown must fit, in any dialect and order. */
function safe(states: readonly ReaderState[]): void {
  for (const { name, atrLength } of states) {
    hold(atrLength <= 33, () => `an ATR of ${atrLength} bytes`);
    hold(name !== "" && !name.includes("\0"), () => "a name with a NUL");
  }
  for (const order of ["little", "big"] as const)
    encodeArray(states, 256, { order, dialect: dialectOf(6) });
}

/** The messages in a daemon's bytes. */
export function judgeReplies(input: DaemonInput): void {
  const { bytes, seed, order, minor } = input;
  const { take, most } = takeOf(input);
  const decoded = (chunks: readonly Uint8Array[]): string =>
    transcript((tell) => {
      const queue = new ByteQueue();
      for (const chunk of chunks) {
        queue.push(chunk);
        for (let got = take(queue); got !== undefined; got = take(queue)) {
          if (typeof got === "object" && got !== null && "states" in got)
            safe(got.states as ReaderState[]);
          tell(JSON.stringify(got, plain));
        }
        hold(queue.length < most, () => `${queue.length} bytes are kept`);
      }
    });
  same(cuts(bytes, seed).map(decoded));
  const speech: Speech = { order, dialect: dialectOf(minor) };
  const { size } = speech.dialect.readerState;
  transcript(() =>
    safe(decodeArray(bytes.subarray(0, bytes.length - (bytes.length % size)), speech)),
  );
  if (bytes.length >= 4)
    transcript(() => {
      const slots = decodeSize(bytes, order);
      hold(slots >= 0 && slots <= 256, () => `${slots} slots`);
    });
}

/** A request of the longest payload in single bytes: no byte is copied more often than a few times. */
export function judgeSlowWriter(): void {
  const struct = words("little", 1, 2, 16, MAX_PAYLOAD, 3, 16, MAX_PAYLOAD, 0);
  const bytes = request("little", Command.Transmit, struct, Buffer.alloc(MAX_PAYLOAD, 0x5a));
  let copied = 0;
  const copies = vi.spyOn(Uint8Array.prototype, "set");
  try {
    const decoder = new RequestDecoder(dialectOf(4));
    for (let at = 0; at < bytes.length; at++) {
      decoder.push(new Uint8Array(bytes.subarray(at, at + 1)));
      const isWhole = decoder.next() !== undefined;
      hold(isWhole === (at === bytes.length - 1), () => `a request after ${at + 1} bytes`);
    }
    copied = copies.mock.calls.reduce((sum, [from]) => sum + from.length, 0);
  } finally {
    copies.mockRestore();
  }
  hold(copied < 6 * bytes.length, () => `${copied} bytes were copied for ${bytes.length}`);
}
