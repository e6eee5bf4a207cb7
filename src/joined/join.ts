import { hostname, userInfo } from "node:os";
import type { Duplex } from "node:stream";
import { isPair, makeRequest } from "../carriers/tls/authority.ts";
import { type CertificateFiles, readCertificates } from "../carriers/tls/certificate-files.ts";
import { checkCertificate, commonName, readCertificate } from "../carriers/tls/certificates.ts";
import { dialTls, type TlsPlace } from "../carriers/tls/dial.ts";
import { ask, hear } from "../carriers/tls/exchange.ts";
import { newKey } from "../carriers/tls/keys.ts";
import { DEFAULT_PORT, Protocol, Purpose } from "../carriers/tls/protocols.ts";
import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { isIdentityName } from "../domain/identity.ts";
import { wordOf } from "../domain/where.ts";
import { asText, Reply, read } from "../wire/join/messages.ts";
import type { Token } from "../wire/join/token.ts";
import { hostsPath, type JoinedHost, makeRoom } from "./hosts.ts";

/** What a host is called here when nobody chose a name: as the token calls it. */
export const nameOfHost = ({ addresses: [first = ""] }: Token): string =>
  wordOf(first) || "cardhost";

/**
 * Joins a card host: makes a key, which stays here, and gets a certificate for it.
 *
 * @param options.name what the host is to be called here.
 * @throws {CardwireError} `E_UNREACHABLE`, `E_PEER`, `E_TOKEN`, `E_JOINED` and others.
 */
export async function joinHost(
  token: Token,
  options: { readonly name?: string | undefined; readonly path?: string | undefined },
  { signal }: { signal: AbortSignal },
): Promise<JoinedHost> {
  const { name = nameOfHost(token), path = hostsPath() } = options;
  const key = await newKey();
  await using room = await makeRoom(name, key, path); // before the token is used up
  const { addresses, port } = token;
  const fingerprint = Buffer.from(token.fingerprint).toString("hex");
  const place: TlsPlace = { addresses, port, fingerprint };
  const request = asText(await makeRequest(key));
  const { stream, address, authority } = await dialTls(place, Protocol.Join, { signal });
  try {
    const on = `${userInfo().username}@${hostname()}`.slice(0, 256);
    ask(stream, { secret: asText(token.secret), request, on });
    const certificate = certified(await answerOf(stream, signal), { key, authority });
    const joined: JoinedHost = {
      name,
      identity: commonName(readCertificate(certificate)) ?? "",
      addresses: [address, ...addresses.filter((one) => one !== address)],
      port,
      fingerprint,
      joined: new Date().toISOString(),
      credentials: { key, certificate },
      authority,
    };
    await room.settle(joined);
    return joined;
  } finally {
    stream.destroy();
  }
}

/**
 * Joins a card host that takes an organisation's certificates, with one of these: copies of the files are kept.
 *
 * @throws {CardwireError} `E_UNREACHABLE`, `E_PEER`, `E_JOINED`, `E_CERTIFICATE` and others.
 */
export async function joinAsMember(
  { host, port = DEFAULT_PORT }: { readonly host: string; readonly port?: number },
  files: CertificateFiles,
  options: { readonly name?: string | undefined; readonly path?: string | undefined },
  { signal }: { signal: AbortSignal },
): Promise<JoinedHost> {
  const { name = wordOf(host) || "cardhost", path = hostsPath() } = options;
  const { authorities: authority, credentials } = await readCertificates(files, Purpose.Client);
  await using room = await makeRoom(name, credentials.key, path);
  const place = { addresses: [host], port, fingerprint: undefined, authority };
  const { stream } = await dialTls(place, Protocol.Link, { credentials, signal });
  stream.destroy(); // it is the one; what it says to us shows when its readers are used
  const identity = commonName(readCertificate(credentials.certificate)) ?? "";
  const joined = { name, identity, ...place, joined: new Date().toISOString(), credentials };
  await room.settle(joined);
  return joined;
}

/** Gets a host's certificate for the same key once more, with a later end. @throws {CardwireError} why it cannot. */
export async function renewCertificate(
  host: JoinedHost,
  { signal }: { signal: AbortSignal },
): Promise<string> {
  const { credentials } = host;
  const { stream, authority } = await dialTls(host, Protocol.Renew, { credentials, signal });
  try {
    ask(stream, { request: asText(await makeRequest(credentials.key)) });
    const reply = await hear(stream, { signal });
    return certified(reply, { key: credentials.key, authority });
  } finally {
    stream.destroy();
  }
}

/** What the card host says to a token. @throws {CardwireError} `E_PROTOCOL` when it says nothing. */
async function answerOf(stream: Duplex, signal: AbortSignal): Promise<unknown> {
  try {
    return await hear(stream, { signal });
  } catch (cause) {
    if (!(CardwireError.is(cause) && cause.code === "E_PROTOCOL")) throw cause;
    throw new CardwireError("E_PROTOCOL", `the card host gave no certificate: ${cause.message}`, {
      cause,
      hint: "The token may be used up. Try again; if it is refused then, ask for another: 'cardwire invite NAME' makes it.",
    });
  }
}

/** The certificate that the card host gave us, if that is what was asked for. */
function certified(
  message: unknown,
  { key, authority }: { readonly key: string; readonly authority: string },
): string {
  const reply = read(Reply, message);
  if (!reply) throw new ProtocolError("the card host's answer makes no sense");
  if ("code" in reply) throw refusal(reply);
  const { certificate } = reply;
  const purpose = Purpose.Client;
  checkCertificate(readCertificate(certificate), readCertificate(authority), { purpose });
  if (!isPair({ key, certificate }))
    throw new ProtocolError("the card host's certificate is for another key");
  if (!isIdentityName(commonName(readCertificate(certificate)) ?? ""))
    throw new ProtocolError("the card host's certificate is for a name that nobody can have");
  return certificate;
}

/** Codes that a card host may answer with; what it says is shown as text, whatever it is. */
const CODES: ReadonlySet<string> = new Set(["E_TOKEN", "E_DENIED"]);

function refusal({ code, message }: { readonly code: string; readonly message: string }) {
  const known = CODES.has(code) ? code : "E_DENIED";
  return new CardwireError(known, `the card host refuses: ${message.replaceAll(/\p{C}/gu, "?")}`, {
    hint: "Ask for another invitation: 'cardwire invite NAME' makes it on the card host.",
  });
}
