import type { Reader } from "../../domain/card-service.ts";
import { globMatcher } from "../../domain/glob.ts";
import { ReaderStateBit } from "../../domain/pcsc.ts";
import { MAX_ATR, MAX_SLOTS } from "../../wire/pcsclite/constants.ts";
import type { Dialect } from "../../wire/pcsclite/dialects.ts";
import type { ReaderState } from "../../wire/pcsclite/layouts.ts";
import { encodeArray, type Speech } from "../../wire/pcsclite/replies.ts";
import { textSize } from "../../wire/struct.ts";

/**
 * How many slots an application is told of. To 4:6 ones always as many as there can be: libpcsclite cannot bear that
 * the number becomes smaller in the life of a process, not even across two attachments (protocol reference, fact 9).
 */
export const slotCount = ({ slots }: Dialect): number => (slots === "list" ? MAX_SLOTS : slots);

/** The array of `slots` slot records for an application. Readers beyond its slots are left out. */
export type SlotArray = (readers: readonly Reader[], slots: number, speech: Speech) => Uint8Array;

/**
 * Makes slot arrays, each once for each list of readers: applications ask for it again and again.
 *
 * @param first which readers not to leave out where there are more than slots: see {@link inOrder}.
 */
export function slotArrays(first: readonly string[] = []): SlotArray {
  const made = new WeakMap<readonly Reader[], Map<string, Uint8Array>>();
  const wanted = first.map(globMatcher);
  return (readers, slots, speech) => {
    const { dialect, order } = speech;
    const ofReaders = made.get(readers) ?? new Map<string, Uint8Array>();
    made.set(readers, ofReaders);
    const key = `${slots} ${dialect.nameBytes} ${order}`;
    const known = ofReaders.get(key);
    if (known) return known;
    const fitting = readers.filter(({ name }) => textSize(name) < dialect.nameBytes);
    const shown = fitting.length > slots ? inOrder(fitting, wanted) : fitting;
    const array = encodeArray(shown.map(stateOf), slots, speech);
    ofReaders.set(key, array);
    return array;
  };
}

/**
 * The order in which readers get slots where there are too few: those with a card before the others; among each, those
 * whose names match the first of `wanted`, then the second, and so on; and otherwise as they were.
 */
function inOrder(
  readers: readonly Reader[],
  wanted: readonly ((name: string) => boolean)[],
): readonly Reader[] {
  const rank = ({ name, stateBits }: Reader): number => {
    const match = wanted.findIndex((matches) => matches(name));
    const isEmpty = (stateBits & ReaderStateBit.Present) === 0;
    return (isEmpty ? wanted.length + 1 : 0) + (match < 0 ? wanted.length : match);
  };
  const ranked = readers.map((reader) => ({ reader, rank: rank(reader) }));
  return ranked.toSorted((one, other) => one.rank - other.rank).map(({ reader }) => reader);
}

function stateOf({ name, atr, stateBits, sharing, protocol, eventCounter }: Reader): ReaderState {
  const shown = atr && atr.length <= MAX_ATR ? atr : NOTHING;
  return {
    name,
    eventCounter,
    state: stateBits,
    sharing,
    atr: shown,
    // The client copies that many bytes into 33 without looking: never more.
    atrLength: shown.length,
    protocol,
  };
}

const NOTHING = new Uint8Array(0);
