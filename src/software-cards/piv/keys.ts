import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { type Algorithm, kindOf } from "./algorithms.ts";
import type { StoredKey } from "./state.ts";

const generate = promisify(generateKeyPair);

/** A new private key. RSA's may take seconds. */
export async function generateKey(algorithm: Algorithm): Promise<KeyObject> {
  const kind = kindOf(algorithm);
  if (kind.type === "rsa") return (await generate("rsa", { modulusLength: kind.bits })).privateKey;
  if (kind.type === "ec") return (await generate("ec", { namedCurve: kind.curve })).privateKey;
  if (kind.type === "ed25519") return (await generate("ed25519", {})).privateKey;
  return (await generate("x25519", {})).privateKey;
}

export const storeKey = (key: KeyObject): Uint8Array =>
  key.export({ type: "pkcs8", format: "der" });

export const loadKey = ({ privateKey }: Pick<StoredKey, "privateKey">): KeyObject =>
  createPrivateKey({ key: Buffer.from(privateKey), type: "pkcs8", format: "der" });

/** Whether it is a key of that algorithm. */
export function isKeyOf(algorithm: Algorithm, key: KeyObject): boolean {
  const kind = kindOf(algorithm);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type !== kind.type) return false;
  if (kind.type === "rsa") return details?.modulusLength === kind.bits;
  return kind.type !== "ec" || details?.namedCurve === kind.curve;
}

/** Its SubjectPublicKeyInfo, in DER. */
export const publicKeyInfo = (key: KeyObject): Uint8Array =>
  createPublicKey(key).export({ type: "spki", format: "der" });

const bytesOf = (text: string | undefined): Buffer => Buffer.from(text ?? "", "base64url");

/** The public half as GENERATE ASYMMETRIC KEY PAIR tells it, without its template (SP 800-73-4 part 2, table 11). */
export function publicKeyObjects(key: KeyObject): Uint8Array {
  const { n, e, x, y } = createPublicKey(key).export({ format: "jwk" });
  if (n !== undefined)
    return Buffer.concat([encodeTlv(0x81, bytesOf(n)), encodeTlv(0x82, bytesOf(e))]);
  const isOnCurve = y !== undefined;
  return encodeTlv(0x86, Uint8Array.from(isOnCurve ? [0x04] : []), bytesOf(x), bytesOf(y));
}
