import { createHash, createPrivateKey, generateKeyPair, webcrypto } from "node:crypto";
import { promisify } from "node:util";

/** The curve of every key that cardwire makes, as WebCrypto calls it. */
const EC = { name: "ECDSA", namedCurve: "P-256" } as const;
/** How they sign. */
export const SIGNING = { ...EC, hash: "SHA-256" } as const;

/** A new private key, as PEM. */
export async function newKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: EC.namedCurve });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** A private key and its public half, for WebCrypto. @throws {Error} when it is no EC key on P-256. */
export async function keyPair(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const { subtle } = webcrypto;
  const der = createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
  const privateKey = await subtle.importKey("pkcs8", der, EC, true, ["sign"]);
  const { kty, crv, x, y } = await subtle.exportKey("jwk", privateKey);
  const half = { kty, crv, x, y } as webcrypto.JsonWebKey;
  return { privateKey, publicKey: await subtle.importKey("jwk", half, EC, true, ["verify"]) };
}

/** By which a key is known: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal. */
export const keyFingerprint = (spki: Uint8Array): string =>
  createHash("sha256").update(spki).digest("hex");
