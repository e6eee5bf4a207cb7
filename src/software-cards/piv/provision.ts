import { randomInt } from "node:crypto";
import {
  basicConstraints,
  encodeName,
  extendedKeyUsage,
  KeyUsage,
  keyUsage,
} from "../../wire/asn1/certificate.ts";
import { Algorithm, kindOf } from "./algorithms.ts";
import { certificateContainer, Container } from "./containers.ts";
import { generateKey, storeKey } from "./keys.ts";
import { makeCertificate } from "./make-certificate.ts";
import { defaultPinPolicy, PinPolicy, Slot, type SlotNumber } from "./slots.ts";
import { cardCapability, cardHolderId, certificateObject, newGuid } from "./standard-objects.ts";
import {
  DEFAULT_PIN,
  DEFAULT_PUK,
  defaultManagementKey,
  type PivState,
  padPin,
  reference,
  type StoredKey,
} from "./state.ts";

export interface ProvisionOptions {
  /** Whose card it is: the common name in its certificates. 1 to 64 characters (RFC 5280, upper bounds). */
  readonly name: string;
  /** Six to eight digits; 123456 unless told. */
  readonly pin?: string | undefined;
  /** Six to eight characters; 12345678 unless told. */
  readonly puk?: string | undefined;
  readonly managementKey?: PivState["managementKey"] | undefined;
  /** For the keys of all four slots. Unless told, RSA-2048 in 9A and 9D, P-256 in 9C and 9E: something of each. */
  readonly algorithm?: Algorithm | undefined;
  /** From when the certificates hold: now. They hold for ten years. */
  readonly now: Date;
}

interface Plan {
  readonly slot: SlotNumber;
  /** The organizational unit in the certificate's subject: what the key is for, in OpenSC's words. */
  readonly purpose: string;
  readonly algorithm: Algorithm;
  readonly uses: readonly KeyUsage[];
  readonly purposes: readonly string[];
}

const CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2";
const EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4";

/** A key that only agrees cannot take somebody's encrypted key, and the other way round. */
const encryptionUse = (algorithm: Algorithm): KeyUsage =>
  kindOf(algorithm).type === "rsa" ? KeyUsage.keyEncipherment : KeyUsage.keyAgreement;

const plans = (algorithm: Algorithm | undefined): readonly Plan[] => [
  {
    slot: Slot.Authentication,
    purpose: "PIV Authentication",
    algorithm: algorithm ?? Algorithm.Rsa2048,
    uses: [KeyUsage.digitalSignature],
    purposes: [CLIENT_AUTHENTICATION],
  },
  {
    slot: Slot.Signature,
    purpose: "Digital Signature",
    algorithm: algorithm ?? Algorithm.EccP256,
    uses: [KeyUsage.digitalSignature, KeyUsage.nonRepudiation],
    purposes: [EMAIL_PROTECTION],
  },
  {
    slot: Slot.KeyManagement,
    purpose: "Key Management",
    algorithm: algorithm ?? Algorithm.Rsa2048,
    uses: [encryptionUse(algorithm ?? Algorithm.Rsa2048)],
    purposes: [EMAIL_PROTECTION],
  },
  {
    slot: Slot.CardAuthentication,
    purpose: "Card Authentication",
    algorithm: algorithm ?? Algorithm.EccP256,
    uses: [KeyUsage.digitalSignature],
    purposes: [CLIENT_AUTHENTICATION],
  },
];

const YEARS = 10;
const MAX_NAME = 64;

/** Serial numbers have eight digits, as those printed on YubiKeys. */
const SERIAL_RANGE = [10_000_000, 100_000_000] as const;

/**
 * A card ready for use: a key and a self-signed certificate in each of the four slots, one that attests, and the
 * objects that programs look for.
 *
 * @throws {RangeError} when the name, the PIN or the PUK cannot be one. The message has none of them.
 */
export async function provision(options: ProvisionOptions): Promise<PivState> {
  const { name, now } = options;
  if (name.length === 0 || name.length > MAX_NAME)
    throw new RangeError(`a card's name has 1 to ${MAX_NAME} characters`);
  // Programs write it to terminals.
  if (/\p{Cc}/u.test(name)) throw new RangeError("a card's name has no control characters");
  const pin = checkedPin(options.pin ?? DEFAULT_PIN);
  const puk = checkedPuk(options.puk ?? DEFAULT_PUK);
  const until = new Date(now);
  until.setUTCFullYear(now.getUTCFullYear() + YEARS);
  const validity = { notBefore: now, notAfter: until };
  const slots = await Promise.all(
    plans(options.algorithm).map((plan) => fill(plan, name, validity)),
  );
  const attestation = await makeAttestation(name, validity);
  return {
    serial: randomInt(...SERIAL_RANGE),
    pin: reference(pin),
    puk: reference(puk),
    managementKey: options.managementKey ?? defaultManagementKey(),
    keys: new Map([...slots, attestation].map(({ slot, key }) => [slot, key])),
    objects: new Map([
      [Container.CardHolderId, cardHolderId(newGuid(), until)],
      [Container.CardCapability, cardCapability()],
      ...[...slots, attestation].map(({ slot, certificate }): [number, Uint8Array] => [
        certificateContainer(slot),
        certificateObject(certificate),
      ]),
    ]),
  };
}

function checkedPin(pin: string): Uint8Array {
  if (!/^\d{6,8}$/.test(pin)) throw new RangeError("a PIN has six to eight digits");
  return padPin(pin);
}

function checkedPuk(puk: string): Uint8Array {
  if (!/^[\x20-\x7e]{6,8}$/.test(puk))
    throw new RangeError("a PUK has six to eight letters, digits or signs");
  return padPin(puk);
}

interface Filled {
  readonly slot: SlotNumber;
  readonly key: StoredKey;
  readonly certificate: Uint8Array;
}

type Validity = { readonly notBefore: Date; readonly notAfter: Date };

async function fill(plan: Plan, name: string, validity: Validity): Promise<Filled> {
  const { slot, algorithm, purpose, uses, purposes } = plan;
  const key = await generateKey(algorithm);
  const certificate = makeCertificate({
    subject: encodeName(["O", "cardwire"], ["OU", purpose], ["CN", name]),
    key,
    ...validity,
    extensions: [basicConstraints(), keyUsage(...uses), extendedKeyUsage(...purposes)],
  });
  return { slot, certificate, key: stored(key, algorithm, defaultPinPolicy(slot)) };
}

/** The authority of this card alone: who trusts its attestations has to know its certificate. */
async function makeAttestation(name: string, validity: Validity): Promise<Filled> {
  const key = await generateKey(Algorithm.EccP256);
  const certificate = makeCertificate({
    subject: encodeName(["O", "cardwire"], ["OU", "PIV Attestation"], ["CN", name]),
    key,
    ...validity,
    extensions: [basicConstraints({ pathLength: 0 }), keyUsage(KeyUsage.keyCertSign)],
  });
  const slot = Slot.Attestation;
  return { slot, certificate, key: stored(key, Algorithm.EccP256, PinPolicy.Once) };
}

const stored = (
  key: Parameters<typeof storeKey>[0],
  algorithm: Algorithm,
  pinPolicy: PinPolicy,
): StoredKey => ({ algorithm, privateKey: storeKey(key), pinPolicy, origin: "generated" });
