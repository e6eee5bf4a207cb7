import { X509Certificate } from "node:crypto";
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { CardwireError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { withPort } from "../../domain/host-address.ts";
import type { Credentials } from "./authority.ts";
import { checkCertificate, fingerprintOf } from "./certificates.ts";
import { explainDial, somebodyElse } from "./dial-problems.ts";
import { type Protocol, Purpose, VERSIONS } from "./protocols.ts";

/** How long one address may take until the connection is there, ms. */
const CONNECT_MS = 10_000;
/** How long one address is tried before the next one is tried as well, ms. */
const NEXT_MS = 300;

/** Where a card host is, and by what it is known. */
export interface TlsPlace {
  /** Names and addresses, the best first. */
  readonly addresses: readonly string[];
  readonly port: number;
  /**
   * SHA-256 of its authority's key, in hexadecimal: who shows a certificate of another authority is somebody else.
   * Undefined where its authority certifies others as well, as an organisation's: it is then known by its address.
   */
  readonly fingerprint: string | undefined;
  /** Certificates of its authority, PEM, where these are known. */
  readonly authority?: string | undefined;
}

export interface Dialled {
  readonly stream: TLSSocket;
  /** At which of the addresses. */
  readonly address: string;
  /** Its authority's certificate, PEM. */
  readonly authority: string;
}

interface Dialling {
  /** What is shown of us; undefined for those who have nothing yet. */
  readonly credentials?: Credentials | undefined;
  readonly signal: AbortSignal;
}

/**
 * Connects to a card host and makes sure that it is the one: of all its addresses, to the first at which it answers.
 * The stream comes with an `error` listener that does nothing.
 *
 * @throws {CardwireError} `E_UNREACHABLE`; `E_PEER` when somebody else answers.
 */
export async function dialTls(
  place: TlsPlace,
  protocol: Protocol,
  { credentials, signal }: Dialling,
): Promise<Dialled> {
  const done = new AbortController();
  using either = firstSignal(signal, done.signal);
  setMaxListeners(0, either.signal);
  const failures: CardwireError[] = [];
  let found: Dialled | undefined;
  const attempt = async (address: string): Promise<void> => {
    try {
      const dialled = await dialOne(address, place, protocol, { credentials, ...either });
      if (found) dialled.stream.destroy();
      found ??= dialled;
      done.abort();
    } catch (error) {
      if (!either.signal.aborted) failures.push(explainDial(error, withPort(address, place.port)));
    }
  };
  const attempts: Promise<void>[] = [];
  for (const address of place.addresses) {
    if (either.signal.aborted) break;
    const one = attempt(address);
    attempts.push(one);
    const enough = sleep(NEXT_MS, undefined, { signal: either.signal, ref: false }).catch(() => {}); // the loop sees it
    await Promise.race([one, enough]);
  }
  await Promise.all(attempts);
  if (signal.aborted) found?.stream.destroy();
  signal.throwIfAborted();
  if (found) return found;
  const telling = failures.find(({ code }) => code !== "E_UNREACHABLE") ?? failures[0];
  throw telling ?? new CardwireError("E_UNREACHABLE", "there is no address to connect to");
}

/** @throws whatever went wrong: the system's error, or one of ours. */
async function dialOne(
  address: string,
  place: TlsPlace,
  protocol: Protocol,
  { credentials, signal }: Dialling,
): Promise<Dialled> {
  const stream = connect({
    host: address,
    port: place.port,
    ...VERSIONS,
    ALPNProtocols: [protocol],
    ...(credentials && { cert: credentials.certificate, key: credentials.key }),
    ...(place.authority !== undefined && { ca: [place.authority] }),
    // Where the authority is known by its fingerprint only, as to who joins, TLS cannot judge. What counts is below.
    rejectUnauthorized: place.authority !== undefined,
    checkServerIdentity: () => undefined, // it is known by its authority, whatever it is called
  });
  try {
    await whenSecure(stream, signal);
    stream.setNoDelay(true);
    if (stream.alpnProtocol !== protocol)
      throw somebodyElse(withPort(address, place.port), `it does not offer ${protocol}`);
    return { stream, address, authority: checkServer(stream, place, address) };
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

function whenSecure(stream: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: unknown;
    const abort = () => stream.destroy();
    const late = setTimeout(() => {
      failure = new CardwireError("E_UNREACHABLE", "it does not answer");
      stream.destroy();
    }, CONNECT_MS);
    const done = () => {
      clearTimeout(late);
      signal.removeEventListener("abort", abort);
    };
    const closed = () => {
      done();
      reject(signal.aborted ? signal.reason : (failure ?? new Error("it hung up")));
    };
    stream.on("error", (error) => {
      failure ??= error;
    });
    stream.once("close", closed);
    stream.once("secureConnect", () => {
      done();
      stream.off("close", closed);
      resolve();
    });
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

/** Its authority's certificate, PEM. @throws {CardwireError} `E_PEER` when it is not the one that is meant. */
function checkServer(stream: TLSSocket, place: TlsPlace, address: string): string {
  const where = withPort(address, place.port);
  const { raw, issuerCertificate } = stream.getPeerCertificate(true);
  if (!raw || !issuerCertificate?.raw) throw somebodyElse(where, "it does not show its authority");
  const authority = new X509Certificate(issuerCertificate.raw);
  const certificate = new X509Certificate(raw);
  if (place.fingerprint === undefined) checkMember(stream, certificate, { address, where });
  else if (fingerprintOf(authority) !== place.fingerprint)
    throw somebodyElse(where, "its authority is another one");
  try {
    checkCertificate(certificate, authority, { purpose: Purpose.Server });
  } catch (cause) {
    throw somebodyElse(where, CardwireError.is(cause) ? cause.message : String(cause), cause);
  }
  return authority.toString();
}

/** @throws {CardwireError} `E_PEER` unless TLS trusts it, and it is certified to be at that very address. */
function checkMember(
  stream: TLSSocket,
  certificate: X509Certificate,
  { address, where }: { readonly address: string; readonly where: string },
): void {
  if (!stream.authorized) throw somebodyElse(where, String(stream.authorizationError));
  const isThere = isIP(address) ? certificate.checkIP(address) : certificate.checkHost(address);
  if (isThere === undefined) throw somebodyElse(where, `its certificate is not for ${address}`);
}
