import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { type Command, Sw } from "./command.ts";
import { Container } from "./containers.ts";
import { loadKey, publicKeyObjects } from "./keys.ts";
import { freshSession } from "./session.ts";
import { isSlot, Slot } from "./slots.ts";
import {
  DEFAULT_PIN,
  DEFAULT_PUK,
  defaultManagementKey,
  emptyState,
  type PivState,
  padPin,
  type Reference,
  reference,
} from "./state.ts";

// Commands that YubiKeys have besides the standard's, as far as there is no button in them.

/** The firmware whose commands these are: the first with RSA-3072 and the moving of keys. */
export const VERSION = [5, 7, 1] as const;

const hasNoParameters = ({ p1, p2 }: { readonly p1: number; readonly p2: number }): boolean =>
  p1 === 0 && p2 === 0;

export const getVersion: Command = (_situation, apdu) =>
  hasNoParameters(apdu) ? { sw: Sw.Success, data: Uint8Array.from(VERSION) } : { sw: Sw.WrongP1P2 };

/** Four bytes, big-endian. */
export function serialBytes({ serial }: PivState): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, serial);
  return bytes;
}

export const getSerial: Command = ({ state }, apdu) =>
  hasNoParameters(apdu) ? { sw: Sw.Success, data: serialBytes(state) } : { sw: Sw.WrongP1P2 };

/** Tags of GET METADATA. */
const Metadata = {
  Algorithm: 0x01,
  Policy: 0x02,
  Origin: 0x03,
  PublicKey: 0x04,
  IsDefault: 0x05,
  Tries: 0x06,
} as const;

const NO_TOUCH = 1;
/** What the algorithm of a PIN is called. */
const NO_ALGORITHM = 0xff;

const PIN = 0x80;
const PUK = 0x81;

/** GET METADATA: what there is to know of a PIN or key. */
export const getMetadata: Command = ({ state }, { p1, p2 }) => {
  if (p1 !== 0) return { sw: Sw.WrongP1P2 };
  const objects = metadataOf(state, p2);
  if (!objects) return { sw: Sw.ReferenceNotFound };
  return { sw: Sw.Success, data: Buffer.concat(objects) };
};

const object = (tag: number, ...bytes: readonly number[]): Uint8Array =>
  encodeTlv(tag, Uint8Array.from(bytes));

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

function metadataOf(state: PivState, about: number): readonly Uint8Array[] | undefined {
  if (about === PIN) return aboutReference(state.pin, DEFAULT_PIN);
  if (about === PUK) return aboutReference(state.puk, DEFAULT_PUK);
  if (about === Slot.Management) {
    const { algorithm, value } = state.managementKey;
    const isDefault = isSame(value, defaultManagementKey(algorithm).value);
    return [
      object(Metadata.Algorithm, algorithm),
      object(Metadata.Policy, 0, NO_TOUCH),
      object(Metadata.IsDefault, isDefault ? 1 : 0),
    ];
  }
  const key = isSlot(about) ? state.keys.get(about) : undefined;
  if (!key) return undefined;
  return [
    object(Metadata.Algorithm, key.algorithm),
    object(Metadata.Policy, key.pinPolicy, NO_TOUCH),
    object(Metadata.Origin, key.origin === "generated" ? 1 : 2),
    encodeTlv(Metadata.PublicKey, publicKeyObjects(loadKey(key))),
  ];
}

const aboutReference = ({ value, tries, triesLeft }: Reference, original: string) => [
  object(Metadata.Algorithm, NO_ALGORITHM),
  object(Metadata.IsDefault, isSame(value, padPin(original)) ? 1 : 0),
  object(Metadata.Tries, tries, triesLeft),
];

/** What 63CX can tell. */
const MAX_TRIES = 15;

/** SET PIN RETRIES: how often PIN (P1) and PUK (P2) may be wrong. Both are the well-known ones after that. */
export const setTries: Command = ({ state, session }, { p1, p2 }) => {
  const isInRange = (tries: number) => tries >= 1 && tries <= MAX_TRIES;
  if (!isInRange(p1) || !isInRange(p2)) return { sw: Sw.WrongParameters };
  if (!session.hasManagementKey || session.pin === "no")
    return { sw: Sw.SecurityStatusNotSatisfied };
  return {
    sw: Sw.Success,
    session: { ...session, pin: "no" },
    state: {
      ...state,
      pin: reference(padPin(DEFAULT_PIN), p1),
      puk: reference(padPin(DEFAULT_PUK), p2),
    },
  };
};

/** RESET: everything but the attestation's key goes, once both PIN and PUK are blocked. */
export const reset: Command = ({ state }, apdu) => {
  if (!hasNoParameters(apdu)) return { sw: Sw.WrongP1P2 };
  if (state.pin.triesLeft > 0 || state.puk.triesLeft > 0) return { sw: Sw.ConditionsNotSatisfied };
  const key = state.keys.get(Slot.Attestation);
  const certificate = state.objects.get(Container.AttestationCertificate);
  return {
    sw: Sw.Success,
    session: { ...freshSession, isSelected: true },
    state: {
      ...emptyState(state.serial),
      keys: new Map(key ? [[Slot.Attestation, key]] : []),
      objects: new Map(certificate ? [[Container.AttestationCertificate, certificate]] : []),
    },
  };
};

/** The target of a move that is none: the key is deleted. */
const NOWHERE = 0xff;

/** MOVE KEY: to the slot in P1, from the one in P2. */
export const moveKey: Command = ({ state, session }, { p1: to, p2: from }) => {
  const isTarget = to === NOWHERE || (isSlot(to) && to !== Slot.Attestation);
  if (!isTarget || !isSlot(from) || to === from) return { sw: Sw.WrongParameters };
  if (!session.hasManagementKey) return { sw: Sw.SecurityStatusNotSatisfied };
  const key = state.keys.get(from);
  if (!key) return { sw: Sw.ReferenceNotFound };
  if (state.keys.has(to)) return { sw: Sw.WrongData };
  const keys = new Map(state.keys);
  keys.delete(from);
  if (to !== NOWHERE) keys.set(to, key);
  return { sw: Sw.Success, state: { ...state, keys } };
};
