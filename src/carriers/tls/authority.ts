import {
  createPrivateKey,
  createPublicKey,
  randomBytes,
  type webcrypto,
  X509Certificate,
} from "node:crypto";
import type * as X509 from "@peculiar/x509";
import { keyPair, newKey, SIGNING } from "./keys.ts";
import { x509 } from "./x509.ts";

const DAY_MS = 86_400_000;
/** How long certificates hold, ms. */
export const LIFETIME_MS = { authority: 3_652 * DAY_MS, server: 365 * DAY_MS, client: 90 * DAY_MS };
/** How far back they begin to hold, ms: the other computer's clock may be behind. */
const BEFORE_MS = 3_600_000;

/** A certificate and its private key, as PEM. */
export interface Credentials {
  readonly certificate: string;
  readonly key: string;
}

/** A new authority's certificate, signed by itself. @param name goes into its subject, for people. */
export async function makeAuthority(name: string, now = Date.now()): Promise<Credentials> {
  const { BasicConstraintsExtension, KeyUsagesExtension, KeyUsageFlags } = await x509();
  const key = await newKey();
  const keys = await keyPair(key);
  const certificate = await sign({
    subject: `cardwire authority of ${name}`,
    issuer: `cardwire authority of ${name}`,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    issuerKey: keys.publicKey,
    notAfter: now + LIFETIME_MS.authority,
    now,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  return { certificate, key };
}

/** A new key for the server itself, and the authority's certificate for it. */
export async function makeServerCredentials(
  authority: Credentials,
  name: string,
  now = Date.now(),
): Promise<Credentials> {
  const { ExtendedKeyUsage } = await x509();
  const key = await newKey();
  const { publicKey } = await keyPair(key);
  const certificate = await issue(authority, {
    subject: name,
    publicKey,
    purpose: ExtendedKeyUsage.serverAuth,
    lifetimeMs: LIFETIME_MS.server,
    now,
  });
  return { certificate, key };
}

/** A certificate for somebody's key, as PEM. @param name is who it says he is. */
export async function certify(
  authority: Credentials,
  request: CheckedRequest,
  name: string,
  { lifetimeMs = LIFETIME_MS.client, now = Date.now() } = {},
): Promise<string> {
  const { ExtendedKeyUsage, PublicKey } = await x509();
  const publicKey = new PublicKey(new Uint8Array(request.spki));
  const purpose = ExtendedKeyUsage.clientAuth;
  return await issue(authority, { subject: name, publicKey, purpose, lifetimeMs, now });
}

/** A request for a certificate, whose maker has the private key. */
export interface CheckedRequest {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

/** Makes a request (PKCS #10, DER). @param key PEM. */
export async function makeRequest(key: string): Promise<Uint8Array> {
  const { Pkcs10CertificateRequestGenerator } = await x509();
  const options = { keys: await keyPair(key), signingAlgorithm: SIGNING };
  return new Uint8Array((await Pkcs10CertificateRequestGenerator.create(options)).rawData);
}

/**
 * Reads a request of somebody's. Nothing is taken from it but the key: who it is for is not his to say.
 *
 * @returns undefined when it is none, or not signed by its own key, or that is no EC key on P-256.
 */
export async function readRequest(der: Uint8Array): Promise<CheckedRequest | undefined> {
  const { Pkcs10CertificateRequest } = await x509();
  try {
    const request = new Pkcs10CertificateRequest(new Uint8Array(der));
    const spki = new Uint8Array(request.publicKey.rawData);
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") return undefined;
    return (await request.verify()) ? { spki } : undefined;
  } catch {
    return undefined; // whatever is wrong with it: it comes from anybody
  }
}

/** Whether less than a third of a certificate's time is left. @param certificate PEM. */
export function isRenewalDue(certificate: string, now = Date.now()): boolean {
  const { from, to } = validity(new X509Certificate(certificate));
  return to - now < (to - from) / 3;
}

/** From when and until when it holds, ms. */
export const validity = ({ validFrom, validTo }: X509Certificate) => ({
  from: Date.parse(validFrom),
  to: Date.parse(validTo),
});

/** Whether these belong together. @throws {Error} when one of them cannot be read. */
export const isPair = ({ certificate, key }: Credentials): boolean =>
  new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));

async function issue(
  authority: Credentials,
  order: {
    readonly subject: string;
    readonly publicKey: X509.PublicKeyType;
    readonly purpose: string;
    readonly lifetimeMs: number;
    readonly now: number;
  },
): Promise<string> {
  const { X509Certificate: Certificate, ...lib } = await x509();
  const issuer = new Certificate(authority.certificate);
  const { subject, publicKey, lifetimeMs, now } = order;
  const { BasicConstraintsExtension, ExtendedKeyUsageExtension } = lib;
  return await sign({
    subject,
    issuer: issuer.subjectName,
    publicKey,
    signingKey: (await keyPair(authority.key)).privateKey,
    issuerKey: issuer.publicKey,
    notAfter: Math.min(now + lifetimeMs, issuer.notAfter.getTime()),
    now,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new lib.KeyUsagesExtension(lib.KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([order.purpose]),
    ],
  });
}

async function sign(order: {
  readonly subject: string;
  readonly issuer: string | X509.Name;
  readonly publicKey: X509.PublicKeyType;
  readonly signingKey: webcrypto.CryptoKey;
  readonly issuerKey: X509.PublicKeyType;
  readonly notAfter: number;
  readonly now: number;
  readonly extensions: readonly X509.Extension[];
}): Promise<string> {
  const { AuthorityKeyIdentifierExtension, SubjectKeyIdentifierExtension, ...lib } = await x509();
  const { subject, issuer, publicKey, signingKey, issuerKey, extensions } = order;
  const named = (name: string) => [{ CN: [name] }]; // not as text, in which some characters mean something
  const certificate = await lib.X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject: named(subject),
    issuer: typeof issuer === "string" ? named(issuer) : issuer,
    notBefore: new Date(order.now - BEFORE_MS),
    notAfter: new Date(order.notAfter),
    publicKey,
    signingKey,
    signingAlgorithm: SIGNING,
    extensions: [
      ...extensions,
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuerKey),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

/** One that nobody has met: 16 random bytes, positive (RFC 5280, 4.1.2.2). */
function newSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
