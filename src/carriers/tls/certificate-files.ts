import { readFile } from "node:fs/promises";
import { CardwireError } from "../../domain/errors.ts";
import { readPrivateFile } from "../../host/private-file.ts";
import { type Credentials, isPair } from "./authority.ts";
import { checkDates, purposesOf, readCertificate } from "./certificates.ts";
import { Purpose } from "./protocols.ts";

/** Files with certificates of an organisation's. */
export interface CertificateFiles {
  /** Its authorities, PEM. */
  readonly ca: string;
  /** A certificate, with those between it and an authority behind it, PEM. */
  readonly cert: string;
  /** Its private key, PEM, which nobody else may read. */
  readonly key: string;
}

/** What stands in them. */
export interface OrganisationCertificates {
  readonly authorities: string;
  readonly credentials: Credentials;
}

/**
 * Reads them, and looks whether they are of any use.
 *
 * @throws {CardwireError} `E_CERTIFICATE`, `E_STATE`
 */
export async function readCertificates(
  { ca, cert, key }: CertificateFiles,
  purpose: (typeof Purpose)[keyof typeof Purpose],
): Promise<OrganisationCertificates> {
  const [authorities, certificate, privateKey] = await Promise.all([
    text(ca),
    text(cert),
    readPrivateFile(key),
  ]);
  if (privateKey === undefined) throw new CardwireError("E_STATE", `there is no ${key}`);
  for (const one of pemsIn(authorities))
    if (!readCertificate(one).ca)
      throw new CardwireError("E_CERTIFICATE", `${ca} holds a certificate that is no authority's`);
  if (pemsIn(authorities).length === 0)
    throw new CardwireError("E_CERTIFICATE", `${ca} holds no certificate`);
  const own = readCertificate(certificate);
  checkDates(own);
  if (!purposesOf(own).includes(purpose))
    throw new CardwireError("E_CERTIFICATE", `${cert} was made for something else`, {
      hint: `Its extended key usage has to be ${purpose === Purpose.Server ? "serverAuth" : "clientAuth"}.`,
    });
  const credentials = { certificate, key: privateKey };
  if (!isPairOf(credentials))
    throw new CardwireError("E_CERTIFICATE", `${key} is not the key of ${cert}`);
  return { authorities, credentials };
}

async function text(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CardwireError("E_STATE", `${path} cannot be read: ${why}`, { cause });
  });
}

function isPairOf(credentials: Credentials): boolean {
  try {
    return isPair(credentials);
  } catch {
    return false; // no key, or one with a passphrase
  }
}

const pemsIn = (pem: string): readonly string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
