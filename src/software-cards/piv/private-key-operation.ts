import { constants, createPublicKey, diffieHellman, privateDecrypt, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { type KeyKind, kindOf } from "./algorithms.ts";
import { signDigest } from "./ecdsa.ts";
import { loadKey } from "./keys.ts";
import type { StoredKey } from "./state.ts";

/** The longest digest there is, SHA-512's. */
const MAX_DIGEST = 64;

/**
 * What GENERAL AUTHENTICATE makes of a challenge (SP 800-73-4 part 2, 3.2.4): RSA's private operation on a whole block,
 * an ECDSA signature of a digest, or an Ed25519 signature of a message.
 *
 * @returns undefined when the key cannot do that with it.
 */
export function answerChallenge(stored: StoredKey, challenge: Uint8Array): Uint8Array | undefined {
  const kind = kindOf(stored.algorithm);
  const key = loadKey(stored);
  if (kind.type === "rsa")
    return challenge.length * 8 === kind.bits ? decryptBlock(key, challenge) : undefined;
  if (kind.type === "ec") {
    const isDigest = challenge.length > 0 && challenge.length <= MAX_DIGEST;
    return isDigest ? signDigest(key, kind, challenge) : undefined;
  }
  return kind.type === "ed25519" ? sign(undefined, challenge, key) : undefined;
}

/** Undefined when the number is not below the modulus. */
function decryptBlock(key: KeyObject, block: Uint8Array): Uint8Array | undefined {
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block);
  } catch {
    return undefined;
  }
}

/**
 * The secret that the key has in common with the holder of another one (SP 800-73-4 part 2, appendix A.5).
 *
 * @param point the other's public key as it goes over the wire.
 * @returns undefined when it is no point of the curve, or the key no such key.
 */
export function agree(stored: StoredKey, point: Uint8Array): Uint8Array | undefined {
  const kind = kindOf(stored.algorithm);
  if (kind.type !== "ec" && kind.type !== "x25519") return undefined;
  try {
    const publicKey = readPoint(kind, point);
    return publicKey && diffieHellman({ privateKey: loadKey(stored), publicKey });
  } catch {
    return undefined;
  }
}

const UNCOMPRESSED = 0x04;
const X25519_BYTES = 32;

/** @throws when the coordinates are none of a point. */
function readPoint(
  kind: Extract<KeyKind, { type: "ec" | "x25519" }>,
  point: Uint8Array,
): KeyObject | undefined {
  const text = (from: number, to: number) =>
    Buffer.from(point.slice(from, to)).toString("base64url");
  if (kind.type === "x25519") {
    if (point.length !== X25519_BYTES) return undefined;
    const key = { kty: "OKP", crv: "X25519", x: text(0, X25519_BYTES) };
    return createPublicKey({ key, format: "jwk" });
  }
  const { size, jwk } = kind;
  if (point.length !== 1 + 2 * size || point[0] !== UNCOMPRESSED) return undefined;
  const key = { kty: "EC", crv: jwk, x: text(1, 1 + size), y: text(1 + size, 1 + 2 * size) };
  return createPublicKey({ key, format: "jwk" });
}
