import { createECDH, type KeyObject, randomBytes } from "node:crypto";
import { sequence, unsignedInteger } from "../../wire/asn1/der.ts";
import type { KeyKind } from "./algorithms.ts";

// A PIV card signs a digest that the host made. node:crypto signs only what it digests itself, so that the last step of
// ECDSA (FIPS 186-5, 6.4.1) stands here: s = k⁻¹ (z + r d) mod n. What touches the curve, k·G, is OpenSSL's.
//
// BigInt's operations take a time that depends on their operands. The inverse, the one that is known to tell something
// of k that way, is taken of k multiplied by a random number. A software card keeps its keys readable in its memory:
// against somebody who can measure it from the same computer it is no protection anyway.

/** Orders of the curves' base points (SP 800-186, 3.2.1.3 and 3.2.1.4). */
const orders = {
  prime256v1: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  secp384r1:
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
} as const;

type Curve = Extract<KeyKind, { type: "ec" }>;

/** A fresh secret number below the order, and the first coordinate of so many times the base point. */
export interface Ephemeral {
  readonly k: bigint;
  readonly x: bigint;
}

/**
 * Signs a digest.
 *
 * @param digest of any length: what is longer than the curve's order counts with its first bytes only.
 * @returns the two numbers of the signature, in DER, as a PIV card gives them.
 */
export function signDigest(key: KeyObject, curve: Curve, digest: Uint8Array): Uint8Array {
  const d = toBigInt(Buffer.from(key.export({ format: "jwk" }).d ?? "", "base64url"));
  for (;;) {
    const signature = signWith(ephemeral(curve), { curve, d, digest });
    if (signature) return encode(signature, curve);
  }
}

/** The two numbers for one ephemeral; undefined when it is one of the few that will not do. */
export function signWith(
  { k, x }: Ephemeral,
  { curve, d, digest }: { readonly curve: Curve; readonly d: bigint; readonly digest: Uint8Array },
): { readonly r: bigint; readonly s: bigint } | undefined {
  const n = orders[curve.curve];
  const z = toBigInt(digest.subarray(0, curve.size)); // both orders have as many bits as the digests they are for
  const r = x % n;
  const blind = randomBelow(n, curve.size);
  const inverse = (blind * invert((k * blind) % n, n)) % n;
  const s = (inverse * (z + r * d)) % n;
  return r === 0n || s === 0n ? undefined : { r, s };
}

function ephemeral(curve: Curve): Ephemeral {
  const pair = createECDH(curve.curve);
  const point = pair.generateKeys(); // 04, x, y
  return { k: toBigInt(pair.getPrivateKey()), x: toBigInt(point.subarray(1, 1 + curve.size)) };
}

const encode = ({ r, s }: { readonly r: bigint; readonly s: bigint }, { size }: Curve) =>
  sequence(unsignedInteger(toBytes(r, size)), unsignedInteger(toBytes(s, size)));

/** 1 to n-1, evenly. */
function randomBelow(n: bigint, size: number): bigint {
  for (;;) {
    const value = toBigInt(randomBytes(size));
    if (value > 0n && value < n) return value;
  }
}

/** By Euclid's algorithm. @param a not 0, and n a prime. */
export function invert(a: bigint, n: bigint): bigint {
  let [r0, r1, t0, t1] = [n, a, 0n, 1n];
  while (r1 !== 0n) {
    const q = r0 / r1;
    [r0, r1, t0, t1] = [r1, r0 - q * r1, t1, t0 - q * t1];
  }
  return t0 < 0n ? t0 + n : t0;
}

export const toBigInt = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);

/** Big-endian, filled up with zeros in front. */
export const toBytes = (value: bigint, size: number): Buffer =>
  Buffer.from(value.toString(16).padStart(size * 2, "0"), "hex");
