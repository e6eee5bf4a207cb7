import { type Algorithm, cipherOf, ManagementAlgorithm } from "./algorithms.ts";
import type { PinPolicy, SlotNumber } from "./slots.ts";

/** A PIN or PUK, and how often it may still be wrong. */
export interface Reference {
  /** Eight bytes, as VERIFY carries it. */
  readonly value: Uint8Array;
  /** 0 to 15. At 0 it is blocked. */
  readonly triesLeft: number;
  /** What it is set back to, 1 to 15. */
  readonly tries: number;
}

export interface StoredKey {
  readonly algorithm: Algorithm;
  /** PKCS #8 in DER, unencrypted. */
  readonly privateKey: Uint8Array;
  readonly pinPolicy: PinPolicy;
  readonly origin: "generated" | "imported";
}

/** All that a card keeps without power. A plain value: each change makes a new one. */
export interface PivState {
  /** As GET SERIAL tells it, 32 bits. */
  readonly serial: number;
  readonly pin: Reference;
  readonly puk: Reference;
  /** SP 800-73-4's global PIN, for cards that have one. It satisfies what the card's own PIN does. */
  readonly globalPin?: Reference | undefined;
  readonly managementKey: {
    readonly algorithm: ManagementAlgorithm;
    readonly value: Uint8Array;
  };
  readonly keys: ReadonlyMap<SlotNumber, StoredKey>;
  /** What PUT DATA stored: the value inside tag 53, by the container's tag. */
  readonly objects: ReadonlyMap<number, Uint8Array>;
}

/** As YubiKeys leave the factory. */
export const DEFAULT_PIN = "123456";
export const DEFAULT_PUK = "12345678";
export const DEFAULT_TRIES = 3;

const PIN_BYTES = 8;
const PADDING = 0xff;

/** Digits as VERIFY carries them: filled up with FF to eight bytes (SP 800-73-4 part 2, 2.4.3). */
export function padPin(digits: string): Uint8Array {
  const bytes = new TextEncoder().encode(digits);
  if (bytes.length > PIN_BYTES) throw new RangeError("a PIN or PUK has at most eight characters");
  const padded = new Uint8Array(PIN_BYTES).fill(PADDING);
  padded.set(bytes);
  return padded;
}

/** Whether it is a PIN at all: six to eight digits, the rest FF (SP 800-73-4 part 2, 2.4.3). */
export const isPin = (value: Uint8Array): boolean =>
  value.length === PIN_BYTES && /^\d{6,8}ÿ*$/.test(String.fromCharCode(...value));

export const reference = (value: Uint8Array, tries = DEFAULT_TRIES): Reference => ({
  value,
  triesLeft: tries,
  tries,
});

/**
 * The well-known management key of YubiKeys, 01 02 … 08 again and again, of the length that the algorithm has. 3DES
 * unless told: yubico-piv-tool up to 2.2 knows no other.
 */
export function defaultManagementKey(
  algorithm: ManagementAlgorithm = ManagementAlgorithm.TripleDes,
): PivState["managementKey"] {
  const { keySize } = cipherOf(algorithm);
  const value = Uint8Array.from({ length: keySize }, (_, i) => (i % 8) + 1);
  return { algorithm, value };
}

/** A card without keys and objects, its PIN, PUK and management key the well-known ones. */
export const emptyState = (serial: number): PivState => ({
  serial,
  pin: reference(padPin(DEFAULT_PIN)),
  puk: reference(padPin(DEFAULT_PUK)),
  managementKey: defaultManagementKey(),
  keys: new Map(),
  objects: new Map(),
});
