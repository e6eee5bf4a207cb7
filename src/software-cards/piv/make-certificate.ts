import { createHash, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import {
  authorityKeyIdentifier,
  encodeCertificate,
  encodeContents,
  publicKeyBits,
  type SignatureAlgorithm,
  subjectKeyIdentifier,
} from "../../wire/asn1/certificate.ts";
import { publicKeyInfo } from "./keys.ts";

export interface CertificateOrder {
  /** A name in DER. */
  readonly subject: Uint8Array;
  /** The key that it is about, or its private half. */
  readonly key: KeyObject;
  /** Who says so. The key's own holder unless told. */
  readonly issuer?: { readonly name: Uint8Array; readonly key: KeyObject } | undefined;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** In DER, besides the identifiers of both keys. */
  readonly extensions: readonly Uint8Array[];
}

/** A serial number that nobody has met: 16 random bytes, positive (RFC 5280, 4.1.2.2). */
function newSerialNumber(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

const signers: Readonly<
  Record<string, readonly [algorithm: SignatureAlgorithm, digest: string | undefined]>
> = {
  rsa: ["sha256WithRSA", "sha256"],
  prime256v1: ["ecdsaWithSHA256", "sha256"],
  secp384r1: ["ecdsaWithSHA384", "sha384"],
  ed25519: ["ed25519", undefined],
};

/** RFC 5280, 4.2.1.2, method 1. */
const keyIdentifier = (spki: Uint8Array): Uint8Array =>
  createHash("sha1").update(publicKeyBits(spki)).digest();

/**
 * Makes a certificate, in DER.
 *
 * @throws {RangeError} when the issuer's key cannot sign, as X25519's cannot.
 */
export function makeCertificate(order: CertificateOrder): Uint8Array {
  const { subject, key, issuer = { name: subject, key } } = order;
  const { asymmetricKeyType, asymmetricKeyDetails } = issuer.key;
  const signer = signers[asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType ?? ""];
  if (!signer) throw new RangeError(`a key of the type ${asymmetricKeyType} signs no certificate`);
  const [signatureAlgorithm, digest] = signer;
  const publicKey = publicKeyInfo(key);
  const contents = encodeContents({
    serialNumber: newSerialNumber(),
    signatureAlgorithm,
    issuer: issuer.name,
    notBefore: order.notBefore,
    notAfter: order.notAfter,
    subject,
    publicKey,
    extensions: [
      ...order.extensions,
      subjectKeyIdentifier(keyIdentifier(publicKey)),
      authorityKeyIdentifier(keyIdentifier(publicKeyInfo(issuer.key))),
    ],
  });
  return encodeCertificate(contents, signatureAlgorithm, sign(digest, contents, issuer.key));
}

/** From when and until when a certificate holds. */
export function validityOf(certificate: Uint8Array): { notBefore: Date; notAfter: Date } {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return { notBefore: new Date(validFrom), notAfter: new Date(validTo) };
}
