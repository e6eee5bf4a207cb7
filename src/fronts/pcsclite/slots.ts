import type { Reader } from "../../domain/card-service.ts";
import { MAX_ATR, MAX_SLOTS } from "../../wire/pcsclite/constants.ts";
import type { Dialect } from "../../wire/pcsclite/dialects.ts";
import type { ReaderState } from "../../wire/pcsclite/layouts.ts";
import { encodeArray, type Speech } from "../../wire/pcsclite/replies.ts";

/**
 * How many slots an application is told of. To 4:6 ones always as many as there can be: libpcsclite cannot bear that
 * the number becomes smaller in the life of a process, not even across two attachments (protocol reference, fact 9).
 */
export const slotCount = ({ slots }: Dialect): number => (slots === "list" ? MAX_SLOTS : slots);

/** Made once for each list of readers; applications ask for it again and again. */
const made = new WeakMap<readonly Reader[], Map<string, Uint8Array>>();

/** The array of `slots` slot records for an application. Readers beyond its slots are left out. */
export function slotArray(readers: readonly Reader[], slots: number, speech: Speech): Uint8Array {
  const { dialect, order } = speech;
  const ofReaders = made.get(readers) ?? new Map<string, Uint8Array>();
  made.set(readers, ofReaders);
  const key = `${slots} ${dialect.nameBytes} ${order}`;
  const known = ofReaders.get(key);
  if (known) return known;
  const fits = ({ name }: Reader) => Buffer.byteLength(name) < dialect.nameBytes;
  const array = encodeArray(readers.filter(fits).map(stateOf), slots, speech);
  ofReaders.set(key, array);
  return array;
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
