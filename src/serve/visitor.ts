import type { X509Certificate } from "node:crypto";
import {
  checkCertificate,
  checkDates,
  commonName,
  fingerprintOf,
  purposesOf,
} from "../carriers/tls/certificates.ts";
import type { Arrival } from "../carriers/tls/listen.ts";
import { Purpose } from "../carriers/tls/protocols.ts";
import { CardwireError } from "../domain/errors.ts";

/** Who came, by the certificate whose key he has. */
export interface Visitor {
  readonly name: string;
  /** SHA-256 of his key, in hexadecimal. */
  readonly fingerprint: string;
  /** When his certificate ends, as Date.now() counts; undefined where the register says until when he may come. */
  readonly expires?: number;
}

/**
 * Who came. TLS has looked at the certificate already; what matters is looked at once more here, so that no setting of a
 * library can let anybody in.
 *
 * @throws {CardwireError} `E_DENIED` when that is nobody.
 */
export function visitorOf(arrival: Arrival, authority: X509Certificate): Visitor {
  const { certificate, distrust } = arrival;
  if (!certificate) throw denied("no certificate was shown");
  try {
    checkCertificate(certificate, authority, { purpose: Purpose.Client });
  } catch (cause) {
    throw denied(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (distrust !== undefined) throw denied(`the certificate is not to be trusted: ${distrust}`);
  const name = commonName(certificate);
  if (name === undefined) throw denied("the certificate names nobody");
  return { name, fingerprint: fingerprintOf(certificate) };
}

/** How an organisation's certificates name people. */
export type NameOf = "CN" | "SAN:email" | "SAN:dns" | "SAN:uri";

/**
 * The same of a certificate of an organisation's. TLS has built its chain, up to an authority of theirs.
 *
 * @throws {CardwireError} `E_DENIED`
 */
export function memberOf({ certificate, distrust }: Arrival, nameOf: NameOf): Visitor {
  if (!certificate) throw denied("no certificate was shown");
  if (distrust !== undefined) throw denied(`the certificate is not to be trusted: ${distrust}`);
  try {
    checkDates(certificate);
  } catch (cause) {
    throw denied(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (certificate.ca || !purposesOf(certificate).includes(Purpose.Client))
    throw denied("the certificate was made for something else");
  const names = namesIn(certificate, nameOf);
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw denied(`the certificate has ${names.length} names of the kind ${nameOf}, not one`);
  const expires = Date.parse(certificate.validTo);
  return { name, fingerprint: fingerprintOf(certificate), expires };
}

const kinds: Readonly<Record<Exclude<NameOf, "CN">, string>> = {
  "SAN:email": "email:",
  "SAN:dns": "DNS:",
  "SAN:uri": "URI:",
};

function namesIn(certificate: X509Certificate, nameOf: NameOf): readonly string[] {
  if (nameOf === "CN") return [commonName(certificate) ?? []].flat();
  const prefix = kinds[nameOf];
  // Node.js puts what could be mistaken for a comma into quotation marks: such a name is none of ours.
  return (certificate.subjectAltName ?? "")
    .split(", ")
    .filter((one) => one.startsWith(prefix))
    .map((one) => one.slice(prefix.length))
    .filter((one) => !one.includes('"'));
}

const denied = (message: string, cause?: unknown): CardwireError =>
  new CardwireError("E_DENIED", message, { cause });
