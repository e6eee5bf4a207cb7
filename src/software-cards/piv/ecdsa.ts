import type { KeyObject } from "node:crypto";
import { p256, p384 } from "@noble/curves/nist.js";
import type { KeyKind } from "./algorithms.ts";

// A PIV card signs a digest that the host made; node:crypto signs only what it digests itself.

const curves = { prime256v1: p256, secp384r1: p384 } as const;

/**
 * Signs a digest with ECDSA (FIPS 186-5, 6.4.1).
 *
 * @param digest of any length: what is longer than the curve's order counts with its first bytes only.
 * @returns the two numbers of the signature, in DER, as a PIV card gives them.
 */
export function signDigest(
  key: KeyObject,
  { curve }: Extract<KeyKind, { type: "ec" }>,
  digest: Uint8Array,
): Uint8Array {
  const secret = Buffer.from(key.export({ format: "jwk" }).d ?? "", "base64url");
  // With fresh randomness, as a card's own; and either of the two numbers that will do for s, which only coins restrict.
  const how = { prehash: false, lowS: false, extraEntropy: true, format: "der" } as const;
  return curves[curve].sign(digest, secret, how);
}
