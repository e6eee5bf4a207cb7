import { ProtocolError } from "../../domain/errors.ts";
import { type Algorithm, cipherOf, isAlgorithm, isManagementAlgorithm } from "./algorithms.ts";
import { isStorable, MAX_OBJECT } from "./containers.ts";
import { isKeyOf, loadKey } from "./keys.ts";
import { isSlot, PinPolicy } from "./slots.ts";
import type { PivState, Reference, StoredKey } from "./state.ts";

// A card's state as text, so that it can lie in a file: JSON, bytes in base64. Nothing in it is encrypted.

/** Says what the file is, and in which form. */
const FORMAT = "cardwire PIV card, 1";
const ANY_FORM = /^cardwire PIV card, \d+$/;

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const referenceText = ({ value, ...counters }: Reference) => ({ value: text(value), ...counters });

/** One line for each value, the last one ended. */
export function writeState(state: PivState): string {
  const { globalPin, keys, objects, managementKey } = state;
  const value = {
    format: FORMAT,
    serial: state.serial,
    pin: referenceText(state.pin),
    puk: referenceText(state.puk),
    ...(globalPin && { globalPin: referenceText(globalPin) }),
    managementKey: { algorithm: managementKey.algorithm, value: text(managementKey.value) },
    keys: Object.fromEntries(
      [...keys].map(([slot, key]) => [
        slot.toString(16),
        { ...key, privateKey: text(key.privateKey) },
      ]),
    ),
    objects: Object.fromEntries(
      [...objects].map(([tag, object]) => [tag.toString(16), text(object)]),
    ),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/**
 * Reads it back. What it lets through, the card can work with.
 *
 * @throws {ProtocolError} when it is no card's state. The message says where, and not what stands there.
 */
export function readState(written: string): PivState {
  const whole = asObject(parse(written), "the whole");
  checkFormat(whole["format"]);
  const managementKey = asObject(whole["managementKey"], "managementKey");
  const algorithm = asNumber(managementKey["algorithm"], "managementKey.algorithm");
  if (!isManagementAlgorithm(algorithm)) throw unreadable("managementKey.algorithm");
  const value = asBytes(managementKey["value"], "managementKey.value");
  if (value.length !== cipherOf(algorithm).keySize) throw unreadable("managementKey.value");
  const globalPin = whole["globalPin"];
  return {
    serial: asNumber(whole["serial"], "serial"),
    pin: asReference(whole["pin"], "pin"),
    puk: asReference(whole["puk"], "puk"),
    ...(globalPin !== undefined && { globalPin: asReference(globalPin, "globalPin") }),
    managementKey: { algorithm, value },
    keys: new Map(entries(whole["keys"], "keys").map(asKey)),
    objects: new Map(entries(whole["objects"], "objects").map(asObjectWithTag)),
  };
}

function checkFormat(format: unknown): void {
  if (format === FORMAT) return;
  if (typeof format === "string" && ANY_FORM.test(format))
    throw new ProtocolError(
      "that card was written by a newer cardwire, in a form unknown to this one",
    );
  throw unreadable("its format");
}

const unreadable = (where: string): ProtocolError =>
  new ProtocolError(`that is no card's state: ${where} is not as it should be`);

function parse(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    // Without its cause, which shows a part of the text.
    throw unreadable("the whole");
  }
}

type Json = Readonly<Record<string, unknown>>;

function asObject(value: unknown, where: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unreadable(where);
  return value as Json; // JSON's objects have text as keys
}

const entries = (value: unknown, where: string): readonly (readonly [string, unknown])[] =>
  Object.entries(asObject(value, where));

/** The largest number there is: a serial number of 32 bits. */
const MAX = 0xffff_ffff;

function asNumber(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX)
    throw unreadable(where);
  return value;
}

function asBytes(value: unknown, where: string): Uint8Array {
  if (typeof value !== "string") throw unreadable(where);
  const bytes = Buffer.from(value, "base64");
  if (text(bytes) !== value) throw unreadable(where);
  return bytes;
}

const VALUE_BYTES = 8;
const MAX_TRIES = 15;

function asReference(value: unknown, where: string): Reference {
  const object = asObject(value, where);
  const tries = asNumber(object["tries"], where);
  const triesLeft = asNumber(object["triesLeft"], where);
  const bytes = asBytes(object["value"], where);
  const isSound =
    tries >= 1 && tries <= MAX_TRIES && triesLeft <= tries && bytes.length === VALUE_BYTES;
  if (!isSound) throw unreadable(where);
  return { value: bytes, tries, triesLeft };
}

const policies: ReadonlyMap<unknown, PinPolicy> = new Map(
  Object.values(PinPolicy).map((policy) => [policy, policy]),
);

function asKey([name, value]: readonly [string, unknown]): [number, StoredKey] {
  const slot = asHex(name);
  const where = `keys.${name}`;
  const object = asObject(value, where);
  const algorithm = asNumber(object["algorithm"], where);
  const pinPolicy = policies.get(object["pinPolicy"]);
  const { origin } = object;
  const isSound = isSlot(slot) && (origin === "generated" || origin === "imported");
  if (!isSound || !isAlgorithm(algorithm) || pinPolicy === undefined) throw unreadable(where);
  const privateKey = asBytes(object["privateKey"], where);
  if (!isSoundKey(privateKey, algorithm)) throw unreadable(where);
  return [slot, { algorithm, privateKey, pinPolicy, origin }];
}

function isSoundKey(privateKey: Uint8Array, algorithm: Algorithm): boolean {
  try {
    return isKeyOf(algorithm, loadKey({ privateKey }));
  } catch {
    return false; // OpenSSL's reason might show a part of it
  }
}

function asObjectWithTag([name, value]: readonly [string, unknown]): [number, Uint8Array] {
  const tag = asHex(name);
  const object = asBytes(value, `objects.${name}`);
  if (!isStorable(tag) || object.length > MAX_OBJECT) throw unreadable(`objects.${name}`);
  return [tag, object];
}

/** As {@link writeState} writes slots and tags; NaN for anything else. */
function asHex(name: string): number {
  const value = Number.parseInt(name, 16);
  return value.toString(16) === name ? value : Number.NaN;
}
