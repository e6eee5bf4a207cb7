import type { Struct } from "../struct.ts";
import { Connect, Connect100, ReaderState, ReaderState100 } from "./layouts.ts";

/** What differs between the minor versions of protocol 4 (protocol reference, sections 1.3 and 3.3). */
export interface Dialect {
  readonly minor: number;
  /** WAIT and STOP carry an 8-byte body. */
  readonly waitHasBody: boolean;
  /** WAIT is answered at once, with the array of slots. */
  readonly waitAnswersArray: boolean;
  /** GET_READER_EVENTS is asked. */
  readonly readerEvents: boolean;
  /** Slots of the fixed array, or `list` where GET_READERS_STATE_SIZE tells. */
  readonly slots: number | "list";
  /** Bytes of a reader's name, the NUL included. */
  readonly nameBytes: number;
  readonly connect: Struct<Connect>;
  readonly readerState: Struct<ReaderState>;
}

/** Slots of a fixed array: PCSCLITE_MAX_READERS_CONTEXTS. 16; Fedora and its derivatives build with 48. */
export type FixedSlots = number;

const dialect = (minor: number, slots: FixedSlots): Dialect => ({
  minor,
  waitHasBody: minor <= 3,
  waitAnswersArray: minor === 4 || minor === 5,
  readerEvents: minor >= 5,
  slots: minor >= 6 ? "list" : slots,
  nameBytes: 128,
  connect: Connect,
  readerState: ReaderState,
});

/** The oldest minor version of a client that is served; 1.6.5 of 2010. */
export const OLDEST_CLIENT_MINOR = 2;
/** The oldest minor version of a daemon that is spoken to; 1.8.9 of 2013. */
export const OLDEST_DAEMON_MINOR = 3;
export const NEWEST_MINOR = 6;

/**
 * The dialect of a minor version.
 *
 * @param minor 2 to 6.
 * @throws {RangeError} for any other.
 */
export function dialectOf(minor: number, slots: FixedSlots = 16): Dialect {
  if (!Number.isInteger(minor) || minor < OLDEST_CLIENT_MINOR || minor > NEWEST_MINOR)
    throw new RangeError(`there is no protocol 4:${minor}`);
  return dialect(minor, slots);
}

/** 4:2 as releases up to 1.8.3 speak it: names of 100 bytes under the same version number. */
export function withShortNames(of: Dialect): Dialect {
  return { ...of, nameBytes: 100, connect: Connect100, readerState: ReaderState100 };
}
