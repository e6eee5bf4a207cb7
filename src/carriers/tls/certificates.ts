import { X509Certificate } from "node:crypto";
import { CardwireError } from "../../domain/errors.ts";
import { keyFingerprint } from "./keys.ts";

/** SHA-256 of the key in a certificate, in hexadecimal. */
export const fingerprintOf = ({ publicKey }: X509Certificate): string =>
  keyFingerprint(publicKey.export({ type: "spki", format: "der" }));

/** The one common name of a certificate's subject; undefined where there is none, or more than one. */
export function commonName(certificate: X509Certificate): string | undefined {
  const name: unknown = certificate.toLegacyObject().subject?.CN;
  return typeof name === "string" ? name : undefined;
}

/**
 * Looks at a certificate that this very authority is to have made, by everything that matters, whatever TLS thinks.
 *
 * @throws {CardwireError} `E_CERTIFICATE` what is wrong with it.
 */
export function checkCertificate(
  certificate: X509Certificate,
  authority: X509Certificate,
  { purpose, now = Date.now() }: { readonly purpose: string; readonly now?: number },
): void {
  if (!authority.ca) throw wrong("who signed the certificate is no authority");
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    throw wrong("the certificate is from another authority");
  checkDates(authority, now);
  checkDates(certificate, now);
  if (certificate.ca || !purposesOf(certificate).includes(purpose))
    throw wrong("the certificate was made for something else");
}

/** @throws {CardwireError} `E_CERTIFICATE` when it does not hold now. */
export function checkDates({ validFrom, validTo }: X509Certificate, now = Date.now()): void {
  const hint = `This computer's clock shows ${new Date(now).toISOString()}.`;
  // What is no date compares as neither, and is refused as well.
  if (!(now >= Date.parse(validFrom)))
    throw wrong(`the certificate holds only from ${validFrom}`, hint);
  if (!(now < Date.parse(validTo))) throw wrong(`the certificate expired on ${validTo}`, hint);
}

/** The extended key usages; undefined in Node.js where there are none. */
export const purposesOf = ({ keyUsage }: X509Certificate): readonly string[] =>
  (keyUsage as unknown) === undefined ? [] : keyUsage; // @types/node does not know of that

/** @throws {CardwireError} `E_CERTIFICATE` when the text is no certificate. */
export function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new CardwireError("E_CERTIFICATE", "that is no certificate", { cause });
  }
}

const wrong = (message: string, hint?: string): CardwireError =>
  new CardwireError("E_CERTIFICATE", message, { hint });
