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

/** Arrays remembered for each list of readers: one for each dialect and order, and each choice of readers. */
const MAX_MADE = 64;

/** Slot records for an application, and the names of the readers in them. Readers beyond its slots are left out. */
export interface Slots {
  readonly bytes: Uint8Array;
  readonly names: readonly string[];
}

/** For whom slot records are made. */
export interface SlotsFor {
  readonly speech: Speech;
  /** Readers that it has handles on: if they had no slots, SCardStatus would fail. */
  readonly held?: readonly string[];
  /** Readers that it knows of and may wait on: they have slots before others of which it does not know. */
  readonly kept?: readonly string[];
}

/** Makes the array of `slots` slot records for an application. */
export type SlotArray = (readers: readonly Reader[], slots: number, whose: SlotsFor) => Slots;

/**
 * Makes slot arrays, each once for each list of readers: applications ask for it again and again.
 *
 * @param first which readers not to leave out where there are more than slots: see {@link choice}.
 */
export function slotArrays(first: readonly string[] = []): SlotArray {
  const made = new WeakMap<readonly Reader[], Map<string, Slots>>();
  const wanted = first.map(globMatcher);
  return (readers, slots, { speech, held = [], kept = [] }) => {
    const { dialect, order } = speech;
    const ofReaders = made.get(readers) ?? new Map<string, Slots>();
    made.set(readers, ofReaders);
    const make = (key: string, choose: () => readonly Reader[]): Slots => {
      const known = ofReaders.get(key);
      if (known) return known;
      const shown = choose();
      const bytes = encodeArray(shown.map(stateOf), slots, speech);
      const array = { bytes, names: shown.map(({ name }) => name) };
      if (ofReaders.size >= MAX_MADE) ofReaders.clear();
      ofReaders.set(key, array);
      return array;
    };
    const fits = ({ name }: Reader): boolean => textSize(name) < dialect.nameBytes;
    const key = `${slots} ${dialect.nameBytes} ${order}`;
    if (readers.length <= slots) return make(key, () => readers.filter(fits));
    const chosen = choice(readers.filter(fits), slots, { wanted, held, kept });
    return make(
      `${key} ${chosen.map((reader) => readers.indexOf(reader)).join(" ")}`,
      () => chosen,
    );
  };
}

/**
 * Which readers get slots where there are too few, and in which order: those with a card before the others; among each,
 * those whose names match the first of `wanted`, then the second, and so on; and otherwise as they were. Before all
 * these, those that are held, then those that are kept.
 */
function choice(
  readers: readonly Reader[],
  slots: number,
  {
    wanted,
    held,
    kept,
  }: {
    wanted: readonly ((name: string) => boolean)[];
    held: readonly string[];
    kept: readonly string[];
  },
): readonly Reader[] {
  if (readers.length <= slots) return readers;
  const before = [new Set(held), new Set(kept)];
  const ranked = readers.map((reader, at) => {
    const { name, stateBits } = reader;
    const claim = before.findIndex((names) => names.has(name));
    const match = wanted.findIndex((matches) => matches(name));
    const isEmpty = (stateBits & ReaderStateBit.Present) === 0;
    const rank = (isEmpty ? wanted.length + 1 : 0) + (match < 0 ? wanted.length : match);
    return { reader, at, rank, claim: claim < 0 ? before.length : claim };
  });
  const chosen = ranked
    .toSorted((one, other) => one.claim - other.claim || one.rank - other.rank)
    .slice(0, slots);
  return chosen
    .toSorted((one, other) => one.rank - other.rank || one.at - other.at)
    .map(({ reader }) => reader);
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
