import type { X509Certificate } from "node:crypto";

/** Whose certificate it is and for what kind of key, on one line. */
export function certificateText({ subject, publicKey }: X509Certificate): string {
  const { asymmetricKeyType: type = "?", asymmetricKeyDetails: details } = publicKey;
  const size = details?.modulusLength === undefined ? details?.namedCurve : details.modulusLength;
  const name = subject.split("\n").at(-1) ?? subject; // from the least to the most special
  return `certificate of ${name}, ${type.toUpperCase()}${size === undefined ? "" : ` ${size}`}`;
}
