import { Rv, returnCodes } from "../../src/domain/return-codes.ts";
import { ByteQueue } from "../../src/wire/byte-queue.ts";
import type { Body, Request } from "../../src/wire/pcsclite/calls.ts";
import { Command } from "../../src/wire/pcsclite/constants.ts";
import { type Dialect, dialectOf, withShortNames } from "../../src/wire/pcsclite/dialects.ts";
import { Event, ReaderEvents, type ReaderState } from "../../src/wire/pcsclite/layouts.ts";
import {
  decodeArray,
  decodeSize,
  encodeEvent,
  encodeReaderEvents,
  encodeReply,
  encodeSize,
  type Speech,
  takeReply,
} from "../../src/wire/pcsclite/replies.ts";
import { encodeRequest, RequestDecoder } from "../../src/wire/pcsclite/requests.ts";
import type { ByteOrder } from "../../src/wire/struct.ts";
import { Expectation, type Message } from "./expectation.ts";
import type { Traffic } from "./load.ts";
import { chunked } from "./random.ts";

/** Something that was decoded, the bytes it was decoded from, and what it encodes to. */
export interface Decoded {
  readonly what: string;
  readonly wire: Uint8Array;
  readonly encoded: Uint8Array;
}

export interface Conversation {
  readonly order: ByteOrder;
  readonly minor: number;
  readonly requests: readonly Decoded[];
  readonly messages: readonly Decoded[];
  readonly readers: readonly (readonly ReaderState[])[];
  /** What decodes but cannot be meant, as in a stream that is out of step. */
  readonly oddities: readonly string[];
  /** Bytes that belong to nothing. */
  readonly leftOver: { readonly sent: number; readonly received: Uint8Array };
  /** Requests that the recording does not answer. */
  readonly unanswered: number;
}

export interface Options {
  readonly random: () => number;
  /** Names of 100 bytes, from the start on. */
  readonly shortNames?: boolean;
}

/** Bytes that arrive in chunks only as far as they are needed. */
class Arriving {
  readonly #chunks: Uint8Array[];
  readonly #queue = new ByteQueue();
  readonly #stream: Uint8Array;

  constructor(stream: Uint8Array, random: () => number) {
    this.#stream = stream;
    this.#chunks = chunked(stream, random, 700);
  }

  get rest(): Uint8Array {
    return this.#stream.subarray(this.#stream.length - this.left);
  }

  get left(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, this.#queue.length);
  }

  next<T>(take: (queue: ByteQueue) => T | undefined): { value: T; wire: Uint8Array } | undefined {
    const from = this.#stream.length - this.left;
    for (;;) {
      const value = take(this.#queue);
      if (value !== undefined)
        return { value, wire: this.#stream.subarray(from, this.#stream.length - this.left) };
      const chunk = this.#chunks.shift();
      if (!chunk) return undefined;
      this.#queue.push(chunk);
    }
  }
}

/**
 * Command and body go together in each Request, but TypeScript cannot follow that through a union of them, so one
 * command stands for all.
 */
const anyCommand = (command: Command) => command as typeof Command.Version;

/** The bytes of a request that was decoded. */
export const reencoded = (
  { command, body, payload }: Request,
  { dialect, order }: Speech,
): Uint8Array =>
  encodeRequest(
    anyCommand(command),
    body as Body<typeof Command.Version>,
    { dialect, order },
    payload,
  );

/** Decodes both directions of one connection, cut anywhere, with the code under test; the order is the Expectation's. */
export function converse({ sent, received }: Traffic, options: Options): Conversation {
  const dialect = (minor: number): Dialect =>
    options.shortNames ? withShortNames(dialectOf(minor)) : dialectOf(minor);
  const expectation = new Expectation();
  const decoder = new RequestDecoder(dialect(4));
  const arriving = new Arriving(received, options.random);
  const requests: Decoded[] = [];
  const messages: Decoded[] = [];
  const readers: ReaderState[][] = [];
  const oddities: string[] = [];
  let unanswered = 0;
  let at = 0;

  const take = (message: Message, request: Request): boolean => {
    const speech: Speech = { dialect: decoder.dialect, order: decoder.order };
    const got = arriving.next((queue) => decode(message, request, queue, speech));
    if (!got) return false;
    const { value, wire } = got;
    messages.push({ what: value.what, encoded: value.encoded, wire });
    oddities.push(...(value.oddities ?? []));
    if (value.cancelled) expectation.cancelled();
    if (value.states) readers.push(value.states);
    if (value.slots !== undefined) expectation.sizeIs(value.slots);
    if (value.minor !== undefined && request.command === Command.Version) {
      expectation.negotiated(request.body.minor, value.minor);
      decoder.dialect = dialect(Math.min(request.body.minor, value.minor));
    }
    return true;
  };

  for (const chunk of chunked(sent, options.random, 60)) {
    decoder.push(chunk);
    for (let request = decoder.next(); request; request = decoder.next()) {
      const { command } = request;
      const encoded = reencoded(request, decoder);
      requests.push({
        what: `request ${command}`,
        wire: sent.subarray(at, at + encoded.length),
        encoded,
      });
      at += encoded.length;
      for (const message of expectation.messages(command))
        if (unanswered > 0 || !take(message, request)) unanswered += 1;
    }
  }
  if (arriving.left > 0 && expectation.mayEnd === "with an event") {
    const event = arriving.next((queue) => decodeEvent("event", queue, decoder.order));
    if (event) messages.push({ ...event.value, wire: event.wire });
  }
  return {
    order: decoder.order,
    minor: decoder.dialect.minor,
    requests,
    messages,
    readers,
    oddities,
    leftOver: { sent: decoder.buffered, received: arriving.rest },
    unanswered,
  };
}

interface Value {
  readonly what: string;
  readonly encoded: Uint8Array;
  readonly states?: ReaderState[];
  readonly slots?: number;
  readonly cancelled?: boolean;
  readonly oddities?: string[];
  /** Of a VERSION reply; something else or nothing in any other. */
  readonly minor?: number;
}

function decodeEvent(what: string, queue: ByteQueue, order: ByteOrder): Value | undefined {
  const bytes = queue.take(Event.size);
  if (!bytes) return undefined;
  const event = Event.decode(bytes, order);
  const cancelled = event.rv === Rv.Cancelled;
  const oddities = event.rv === 0 || cancelled ? [] : [`${what} with rv ${event.rv}`];
  return { what, encoded: encodeEvent(event, order), cancelled, oddities };
}

/** What every reply gives back as it came. */
const ECHOED = [
  "card",
  "sendLength",
  "code",
  "id",
  "scope",
  "share",
  "protocols",
  "reader",
] as const;

function oddReply(request: Request, reply: Readonly<Record<string, unknown>>): string[] {
  const asked: Readonly<Record<string, unknown>> = { ...request.body };
  const changed = ECHOED.filter((field) => field !== "card" || request.command !== Command.Connect)
    .filter((field) => asked[field] !== reply[field])
    .map((field) => `reply ${request.command} changes ${field}`);
  return Number(reply.rv) in returnCodes ? changed : [...changed, `rv ${String(reply.rv)}`];
}

const oddStates = (states: readonly ReaderState[]): string[] =>
  states
    .filter(({ name }) => !/^(Lab Reader|Virtual PCD) [\dA-F]{2} [\dA-F]{2}$/.test(name))
    .map(({ name }) => `reader '${name}'`);

function decode(
  message: Message,
  request: Request,
  queue: ByteQueue,
  speech: Speech,
): Value | undefined {
  const { order, dialect } = speech;
  switch (message.kind) {
    case "event":
    case "stop":
      return decodeEvent(message.kind, queue, order);
    case "size": {
      const bytes = queue.take(4);
      if (!bytes) return undefined;
      const slots = decodeSize(bytes, order);
      return { what: "size", slots, encoded: encodeSize(slots, order) };
    }
    case "readerEvents": {
      const bytes = queue.take(ReaderEvents.size);
      if (!bytes) return undefined;
      const { readerEvents } = ReaderEvents.decode(bytes, order);
      const oddities = readerEvents > 0 && readerEvents < 0x8000 ? [] : [`counter ${readerEvents}`];
      return { what: "readerEvents", encoded: encodeReaderEvents(readerEvents, order), oddities };
    }
    case "array": {
      const { readerState } = dialect;
      const bytes = queue.take(message.slots * readerState.size);
      if (!bytes) return undefined;
      // Record by record, because decodeArray leaves out what only unused slots have.
      const encoded = new Uint8Array(bytes.length);
      for (let at = 0; at < bytes.length; at += readerState.size)
        readerState.encodeInto(encoded, at, readerState.decode(bytes.subarray(at), order), order);
      const states = decodeArray(bytes, speech);
      return { what: "array", states, encoded, oddities: oddStates(states) };
    }
    case "struct": {
      const command = anyCommand(request.command);
      const reply = takeReply(queue, command, speech);
      if (!reply) return undefined;
      const { body, payload } = reply;
      const encoded = encodeReply(command, body, speech, payload);
      const oddities = oddReply(request, { ...body });
      return { what: `reply ${command}`, encoded, minor: body.minor, oddities };
    }
    default:
      return message;
  }
}
