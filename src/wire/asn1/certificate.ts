import { ProtocolError } from "../../domain/errors.ts";
import { parseTlv } from "../iso7816/tlv.ts";
import {
  bitString,
  boolean,
  explicit,
  implicit,
  namedBits,
  nothing,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  unsignedInteger,
  utf8String,
} from "./der.ts";

/** How a certificate is signed; its key has to fit. */
export type SignatureAlgorithm =
  | "sha256WithRSA"
  | "ecdsaWithSHA256"
  | "ecdsaWithSHA384"
  | "ed25519";

/** What a key is for (RFC 5280, 4.2.1.3), by the numbers of its bits. */
export const KeyUsage = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  keyAgreement: 4,
  keyCertSign: 5,
} as const;
export type KeyUsage = (typeof KeyUsage)[keyof typeof KeyUsage];

/** What is to be signed of a certificate (RFC 5280, 4.1.2). */
export interface CertificateContents {
  /** A positive number, most significant byte first, at most 20 bytes. */
  readonly serialNumber: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** A name in DER. */
  readonly issuer: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** A name in DER. */
  readonly subject: Uint8Array;
  /** A SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  /** Each in DER; see `extension`. */
  readonly extensions: readonly Uint8Array[];
}

const algorithmIdentifiers: Readonly<Record<SignatureAlgorithm, () => Uint8Array>> = {
  sha256WithRSA: () => sequence(objectIdentifier("1.2.840.113549.1.1.11"), nothing()),
  ecdsaWithSHA256: () => sequence(objectIdentifier("1.2.840.10045.4.3.2")),
  ecdsaWithSHA384: () => sequence(objectIdentifier("1.2.840.10045.4.3.3")),
  ed25519: () => sequence(objectIdentifier("1.3.101.112")),
};

/** The TBSCertificate, version 3: what is signed. */
export const encodeContents = (contents: CertificateContents): Uint8Array =>
  sequence(
    explicit(0, unsignedInteger(Uint8Array.of(2))),
    unsignedInteger(contents.serialNumber),
    algorithmIdentifiers[contents.signatureAlgorithm](),
    contents.issuer,
    sequence(time(contents.notBefore), time(contents.notAfter)),
    contents.subject,
    contents.publicKey,
    explicit(3, sequence(...contents.extensions)),
  );

/** @param contents what {@link encodeContents} gave. */
export const encodeCertificate = (
  contents: Uint8Array,
  algorithm: SignatureAlgorithm,
  signature: Uint8Array,
): Uint8Array => sequence(contents, algorithmIdentifiers[algorithm](), bitString(signature));

const attributes = { O: "2.5.4.10", OU: "2.5.4.11", CN: "2.5.4.3" } as const;

/** A distinguished name, its parts from the widest to the narrowest. */
export const encodeName = (
  ...parts: readonly (readonly [keyof typeof attributes, string])[]
): Uint8Array =>
  sequence(
    ...parts.map(([attribute, text]) =>
      setOf(sequence(objectIdentifier(attributes[attribute]), utf8String(text))),
    ),
  );

/** One extension. @param value in DER. */
export const extension = (
  oid: string,
  value: Uint8Array,
  { critical = false }: { readonly critical?: boolean } = {},
): Uint8Array =>
  sequence(objectIdentifier(oid), ...(critical ? [boolean(true)] : []), octetString(value));

export const keyUsage = (...uses: readonly KeyUsage[]): Uint8Array =>
  extension("2.5.29.15", namedBits(...uses), { critical: true });

/** @param pathLength how many authorities may follow below, when it is one itself. */
export const basicConstraints = (authority?: { readonly pathLength: number }): Uint8Array =>
  extension(
    "2.5.29.19",
    authority
      ? sequence(boolean(true), unsignedInteger(Uint8Array.of(authority.pathLength)))
      : sequence(),
    { critical: true },
  );

/** What a certificate is good for besides (RFC 5280, 4.2.1.12). */
export const extendedKeyUsage = (...oids: readonly string[]): Uint8Array =>
  extension("2.5.29.37", sequence(...oids.map(objectIdentifier)));

/** @param identifier of the subject's key, usually the SHA-1 of its bits. */
export const subjectKeyIdentifier = (identifier: Uint8Array): Uint8Array =>
  extension("2.5.29.14", octetString(identifier));

export const authorityKeyIdentifier = (identifier: Uint8Array): Uint8Array =>
  extension("2.5.29.35", sequence(implicit(0, identifier)));

/** The bits of a public key, without what says of which kind it is. @param spki a SubjectPublicKeyInfo in DER. */
export function publicKeyBits(spki: Uint8Array): Uint8Array {
  const bits = inside(spki)[1];
  if (!bits) throw new ProtocolError("that is no public key");
  return bits.value.subarray(1);
}

/** The name of a certificate's subject, in DER as it stands there. @throws {ProtocolError} where there is none. */
export function subjectOf(certificate: Uint8Array): Uint8Array {
  const [contents] = inside(certificate);
  // Version, serial number, algorithm, issuer, validity, subject.
  const subject = contents && parseTlv(contents.value)[5];
  if (!subject) throw new ProtocolError("that is no certificate");
  return sequence(subject.value);
}

function inside(der: Uint8Array) {
  const [outer] = parseTlv(der);
  return outer ? parseTlv(outer.value) : [];
}
