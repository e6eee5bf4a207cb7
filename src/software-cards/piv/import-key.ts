import { checkPrimeSync, createECDH, createPrivateKey, type KeyObject } from "node:crypto";
import { invert } from "@noble/curves/abstract/modular.js";
import type { Tlv } from "../../wire/iso7816/tlv.ts";
import { isAlgorithm, type KeyKind, kindOf } from "./algorithms.ts";
import { type Command, readObjects, Sw } from "./command.ts";
import { withKey } from "./generate.ts";
import { storeKey } from "./keys.ts";
import { readPolicy } from "./policies.ts";
import { isSlot } from "./slots.ts";

/** What of a private key stands under which tag. */
const Part = { P: 0x01, Q: 0x02, Scalar: 0x06, Ed25519: 0x07, X25519: 0x08 } as const;

/** IMPORT ASYMMETRIC KEY (YubiKey): the algorithm in P1, the slot in P2. */
export const importKey: Command = ({ state, session }, { p1, p2, data }) => {
  if (!isSlot(p2)) return { sw: Sw.WrongParameters };
  if (!isAlgorithm(p1)) return { sw: Sw.WrongParameters };
  if (!session.hasManagementKey) return { sw: Sw.SecurityStatusNotSatisfied };
  const objects = readObjects(data);
  if (!objects) return { sw: Sw.WrongData };
  const policy = readPolicy(objects, p2);
  if ("sw" in policy) return policy;
  const key = readKey(kindOf(p1), objects);
  if (!key) return { sw: Sw.WrongData };
  const stored = {
    algorithm: p1,
    privateKey: storeKey(key),
    pinPolicy: policy.policy,
    origin: "imported",
  } as const;
  return { sw: Sw.Success, state: withKey(state, p2, stored) };
};

function readKey(kind: KeyKind, objects: readonly Tlv[]): KeyObject | undefined {
  const find = (tag: number) => objects.find((one) => one.tag === tag)?.value;
  try {
    if (kind.type === "rsa") return readRsa(kind.bits, find(Part.P), find(Part.Q));
    if (kind.type === "ec") return readScalar(kind, find(Part.Scalar));
    if (kind.type === "ed25519")
      return readEdwards("302e020100300506032b657004220420", find(Part.Ed25519));
    return readEdwards("302e020100300506032b656e04220420", find(Part.X25519));
  } catch {
    return undefined; // what OpenSSL does not take is no key
  }
}

/** The only one that YubiKeys take. It is not told. */
const PUBLIC_EXPONENT = 65_537n;

const isPrime = (value: bigint): boolean => checkPrimeSync(toBytes(value, byteLength(value)));

const toBigInt = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);

/** Big-endian, filled up with zeros in front. */
const toBytes = (value: bigint, size: number): Buffer =>
  Buffer.from(value.toString(16).padStart(size * 2, "0"), "hex");

const byteLength = (value: bigint): number => Math.ceil(value.toString(16).length / 2);

/** From the primes alone: everything else follows from them, and could contradict. */
function readRsa(
  bits: number,
  first: Uint8Array | undefined,
  second: Uint8Array | undefined,
): KeyObject | undefined {
  if (!first || !second || first.length * 16 !== bits || second.length * 16 !== bits)
    return undefined;
  const [p, q] = [toBigInt(first), toBigInt(second)];
  const n = p * q;
  if (p === q || n.toString(2).length !== bits || !isPrime(p) || !isPrime(q)) return undefined;
  // Carmichael's function without its division by the common factor: as good an exponent, only longer.
  const phi = (p - 1n) * (q - 1n);
  if (phi % PUBLIC_EXPONENT === 0n) return undefined;
  const d = invert(PUBLIC_EXPONENT, phi);
  const text = (value: bigint) => toBytes(value, byteLength(value)).toString("base64url");
  return createPrivateKey({
    format: "jwk",
    key: {
      kty: "RSA",
      n: text(n),
      e: text(PUBLIC_EXPONENT),
      d: text(d),
      p: text(p),
      q: text(q),
      dp: text(d % (p - 1n)),
      dq: text(d % (q - 1n)),
      qi: text(invert(q % p, p)),
    },
  });
}

/** @throws when it is 0, or not below the order. */
function readScalar(
  { curve, jwk, size }: Extract<KeyKind, { type: "ec" }>,
  scalar: Uint8Array | undefined,
): KeyObject | undefined {
  if (!scalar || scalar.length > size) return undefined;
  const pair = createECDH(curve);
  pair.setPrivateKey(scalar);
  const point = pair.getPublicKey(); // 04, x, y
  return createPrivateKey({
    format: "jwk",
    key: {
      kty: "EC",
      crv: jwk,
      d: toBytes(toBigInt(scalar), size).toString("base64url"),
      x: point.subarray(1, 1 + size).toString("base64url"),
      y: point.subarray(1 + size).toString("base64url"),
    },
  });
}

/** @param head what stands before the 32 bytes in PKCS #8 (RFC 8410, 7), hex. */
const readEdwards = (head: string, secret: Uint8Array | undefined): KeyObject | undefined =>
  secret?.length === 32
    ? createPrivateKey({
        key: Buffer.concat([Buffer.from(head, "hex"), secret]),
        type: "pkcs8",
        format: "der",
      })
    : undefined;
