import { ProtocolError } from "../../domain/errors.ts";
import type { ByteQueue } from "../byte-queue.ts";
import { messageOf } from "../message.ts";
import type { ByteOrder, Infer } from "../struct.ts";
import { type Body, type Call, callOf, checkLength } from "./calls.ts";
import { type Command, MAX_ATR, MAX_ATTRIBUTE, MAX_PAYLOAD, MAX_SLOTS } from "./constants.ts";
import type { Dialect } from "./dialects.ts";
import { Event, ReaderEvents, type ReaderState, ReadersStateSize } from "./layouts.ts";

/** The dialect and byte order of one connection. */
export interface Speech {
  readonly dialect: Dialect;
  readonly order: ByteOrder;
}

/** A reply: the struct, and the bytes behind it. */
export interface Reply<T> {
  readonly body: T;
  readonly payload: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** One reply, struct and payload in one piece. The struct must announce the payload's length. */
export function encodeReply<C extends Command>(
  command: C,
  body: Body<C>,
  { dialect, order }: Speech,
  payload: Uint8Array = NOTHING,
): Uint8Array {
  const layout = (callOf(command) as Call<Body<C>>).layout(dialect);
  const out = messageOf(layout.size, payload);
  layout.encodeInto(out, 0, body, order);
  return out;
}

/**
 * Takes one reply out of what has arrived, or nothing and `undefined` while it is not whole.
 *
 * @throws {ProtocolError} when it announces more than {@link MAX_PAYLOAD} bytes, or an attribute of more than
 *   {@link MAX_ATTRIBUTE}.
 */
export function takeReply<C extends Command>(
  input: ByteQueue,
  command: C,
  { dialect, order }: Speech,
): Reply<Body<C>> | undefined {
  const call = callOf(command) as Call<Body<C>>;
  const layout = call.layout(dialect);
  const start = input.peek(layout.size);
  if (!start) return undefined;
  const body = layout.decode(start, order);
  const length = call.answers?.(body) ?? 0;
  checkLength(call, "answers", length, MAX_PAYLOAD);
  // A client's library would copy that many bytes out of its buffer.
  checkLength(call, "answers", call.filled?.(body) ?? 0, MAX_ATTRIBUTE);
  const whole = input.take(layout.size + length);
  return whole && { body, payload: whole.subarray(layout.size) };
}

/** An event, or the reply to STOP; both are alike. */
export const encodeEvent = (event: Infer<typeof Event>, order: ByteOrder): Uint8Array =>
  Event.encode(event, order);

export const encodeReaderEvents = (readerEvents: number, order: ByteOrder): Uint8Array =>
  ReaderEvents.encode({ readerEvents, rv: 0 }, order);

export const encodeSize = (slots: number, order: ByteOrder): Uint8Array =>
  ReadersStateSize.encode({ slots }, order);

/** A client's library copies `atrLength` bytes into a field of {@link MAX_ATR}; more than that says "not initialised". */
const withSafeAtr = (state: ReaderState): ReaderState =>
  state.atrLength > MAX_ATR ? { ...state, atrLength: 0 } : state;

/** The bytes of an array of `slots` slot records; those beyond the given ones are unused: all zero. */
export function encodeArray(
  states: readonly ReaderState[],
  slots: number,
  { dialect, order }: Speech,
): Uint8Array {
  const { readerState } = dialect;
  const out = new Uint8Array(slots * readerState.size);
  for (const [slot, state] of states.slice(0, slots).entries())
    readerState.encodeInto(out, slot * readerState.size, withSafeAtr(state), order);
  return out;
}

/**
 * The used slots of an array of slot records, in their order.
 *
 * @param from any number of whole records.
 * @throws {ProtocolError} when a record cannot be one.
 */
export function decodeArray(from: Uint8Array, { dialect, order }: Speech): ReaderState[] {
  const { readerState } = dialect;
  if (from.length % readerState.size !== 0)
    throw new ProtocolError(`${from.length} bytes are no array of slot records`);
  const used: ReaderState[] = [];
  for (let at = 0; at < from.length; at += readerState.size) {
    if (from[at] === 0) continue;
    const state = readerState.decode(from.subarray(at, at + readerState.size), order);
    if (state.state > 0xffff || state.protocol > 0xffff || state.eventCounter > 0xffff)
      throw new ProtocolError(`slot ${at / readerState.size} holds no slot record`);
    used.push(withSafeAtr(state));
  }
  return used;
}

/** @throws {ProtocolError} for a number of slots that no daemon has. */
export function decodeSize(from: Uint8Array, order: ByteOrder): number {
  const { slots } = ReadersStateSize.decode(from, order);
  if (slots < 0 || slots > MAX_SLOTS) throw new ProtocolError(`a list of ${slots} slots`);
  return slots;
}
