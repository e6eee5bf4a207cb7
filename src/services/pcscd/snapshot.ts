import { ProtocolError } from "../../domain/errors.ts";
import type { ByteQueue } from "../../wire/byte-queue.ts";
import { Command, MAJOR, MAX_SLOTS } from "../../wire/pcsclite/constants.ts";
import { Event, type ReaderState, ReadersStateSize, Version } from "../../wire/pcsclite/layouts.ts";
import { decodeArray, decodeSize, type Speech } from "../../wire/pcsclite/replies.ts";
import { encodeRequest } from "../../wire/pcsclite/requests.ts";

/**
 * What the daemon's slots hold. `interrupted` when an event came in the middle: then the states are unknown and the
 * registration for events is used up.
 */
export type Snapshot =
  | { readonly states: readonly ReaderState[]; readonly slots: number }
  | { readonly interrupted: true };

const version = (minor: number) => ({ major: MAJOR, minor, rv: 0 });

/**
 * Every fetch ends in a VERSION request, whose reply marks the true end of the array: it shows how many slots the
 * daemon has (protocol reference, section 6.4), and whether an event fell into the answer (section 8.5, point 3).
 */
const withMark = (speech: Speech, ...commands: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat([
    ...commands,
    encodeRequest(Command.Version, version(speech.dialect.minor), speech),
  ]);

/** The bytes that ask for the array, without registering for events. Only for daemons with a fixed array. */
export const fetchRequest = (speech: Speech): Uint8Array =>
  withMark(speech, encodeRequest(Command.GetReadersState, {}, speech));

/** The bytes that register for the next event and ask for the states as they are after that. One write, one round trip. */
export function registerRequest(speech: Speech): Uint8Array {
  const wait = encodeRequest(Command.WaitReaderStateChange, { timeOut: 60_000, rv: 0 }, speech);
  if (speech.dialect.waitAnswersArray) return withMark(speech, wait);
  if (speech.dialect.slots !== "list")
    return withMark(speech, wait, encodeRequest(Command.GetReadersState, {}, speech));
  const size = encodeRequest(Command.GetReadersStateSize, {}, speech);
  const array = encodeRequest(Command.GetReadersStateArray, {}, speech);
  return withMark(speech, wait, size, array);
}

/** The bytes that end a registration, and show where its answer ends. */
export const stopRequest = (speech: Speech): Uint8Array =>
  withMark(
    speech,
    encodeRequest(Command.StopWaitingReaderStateChange, { timeOut: 0, rv: 0 }, speech),
  );

/**
 * Takes what follows the one message of the registration that {@link stopRequest} ended: the mark. Where that message
 * was an event, daemons up to 1.8.18 answer STOP as well (protocol reference, section 3.3).
 *
 * @throws {ProtocolError} when it is neither.
 */
export function takeStopped(input: ByteQueue, speech: Speech): true | undefined {
  for (const stray of [0, Event.size]) {
    const bytes = input.peek(stray + Version.size);
    if (!bytes) return undefined;
    if (!isMark(bytes.subarray(stray), speech)) continue;
    input.take(bytes.length);
    return true;
  }
  throw new ProtocolError("pcscd's answer to STOP does not end where it should");
}

function isMark(bytes: Uint8Array, { order, dialect }: Speech): boolean {
  const { major, minor, rv } = Version.decode(bytes, order);
  // A daemon answers with its own version, which may be newer than the one agreed on.
  return (
    major === MAJOR && minor >= dialect.minor && minor < 0x100 && (rv === 0 || rv > 0x80000000)
  );
}

/** Takes the answer to {@link fetchRequest}: the daemon has as many slots as records fit in front of the mark. */
export function takeUncounted(input: ByteQueue, speech: Speech): Snapshot | undefined {
  const { size } = speech.dialect.readerState;
  for (let slots = 16; slots <= MAX_SLOTS; slots++) {
    const end = slots * size + Version.size;
    const bytes = input.peek(end);
    if (!bytes) return undefined;
    if (!isMark(bytes.subarray(slots * size), speech)) continue;
    input.take(end);
    return { states: decodeArray(bytes.subarray(0, slots * size), speech), slots };
  }
  throw new ProtocolError(`pcscd's array has more than ${MAX_SLOTS} slots`);
}

/** Takes the answer to {@link registerRequest}, with an event somewhere in it or not. */
export function takeRegistered(input: ByteQueue, speech: Speech): Snapshot | undefined {
  const { slots } = speech.dialect;
  if (slots !== "list") return takeArray(input, { at: 0, slots, interrupted: false }, speech);
  const head = input.peek(ReadersStateSize.size + Event.size);
  if (!head) return undefined;
  // Four zero bytes are an event's first word, unless the mark follows at once: then they are a list without slots.
  const early = decodeSize(head, speech.order) === 0 && !isMajor(head.subarray(4), speech);
  const at = early ? Event.size : 0;
  const count = decodeSize(head.subarray(at), speech.order);
  return takeArray(
    input,
    { at: at + ReadersStateSize.size, slots: count, interrupted: early },
    speech,
  );
}

const isMajor = (bytes: Uint8Array, { order }: Speech): boolean =>
  ReadersStateSize.decode(bytes, order).slots === MAJOR;

function takeArray(
  input: ByteQueue,
  { at, slots, interrupted }: { at: number; slots: number; interrupted: boolean },
  speech: Speech,
): Snapshot | undefined {
  const end = at + slots * speech.dialect.readerState.size;
  const bytes = input.peek(end + Version.size);
  if (!bytes) return undefined;
  if (isMark(bytes.subarray(end), speech)) {
    input.take(end + Version.size);
    return interrupted
      ? { interrupted }
      : { states: decodeArray(bytes.subarray(at, end), speech), slots };
  }
  const longer = input.peek(end + Version.size + Event.size);
  if (!longer) return undefined;
  if (!isMark(longer.subarray(end + Event.size), speech))
    throw new ProtocolError("pcscd's answer does not end where it should");
  input.take(longer.length);
  return { interrupted: true };
}
