import { hostname, userInfo } from "node:os";
import { validity } from "../../carriers/tls/authority.ts";
import { readCertificate } from "../../carriers/tls/certificates.ts";
import { dialTls } from "../../carriers/tls/dial.ts";
import { Protocol } from "../../carriers/tls/protocols.ts";
import { CardwireError } from "../../domain/errors.ts";
import { errorCode } from "../../host/error-code.ts";
import { hostsPath, type JoinedHost, readHost } from "../../joined/hosts.ts";
import { type CardwirePlace, joinedName } from "../../joined/open.ts";
import { remoteService } from "../../services/remote/service.ts";
import type { AddressFacts, JoinedCase, LinkFacts } from "../judge/joined-host.ts";

/** How long the addresses, and then the link, may take, ms. */
const LIMIT_MS = 12_000;

interface LookOptions {
  /** Of cardwire here. */
  readonly release: string;
  readonly signal: AbortSignal;
  /** Where the hosts are; their own place unless told. */
  readonly path?: string;
}

/** A short look: nothing is kept for a line that breaks. */
const OPTIONS = { pipelining: true, prefetch: false, patience: { graceMs: 0, lockMs: 0 } };

/** What there is to know of a card host that was joined, and of the way there. Changes nothing, and renews nothing. */
export async function lookAtJoined(
  place: CardwirePlace,
  { release, signal, path = hostsPath() }: LookOptions,
): Promise<JoinedCase> {
  try {
    const host = await readHost(await joinedName(place, path), path);
    const { from, to } = validity(readCertificate(host.credentials.certificate));
    const addresses = await Promise.all(
      host.addresses.map((address) => lookAtAddress(host, address, signal)),
    );
    signal.throwIfAborted();
    const isThere = addresses.some(({ failure }) => failure === undefined);
    return {
      state: "known",
      name: host.name,
      identity: host.identity,
      isMember: host.fingerprint === undefined,
      certificate: { from, to },
      now: Date.now(),
      port: host.port,
      addresses,
      release,
      link: isThere ? await lookAtLink(host, signal) : undefined,
    };
  } catch (error) {
    if (CardwireError.is(error)) return { state: "unknown", error };
    throw error;
  }
}

async function lookAtAddress(
  host: JoinedHost,
  address: string,
  signal: AbortSignal,
): Promise<AddressFacts> {
  const start = performance.now();
  try {
    const { stream } = await dial({ ...host, addresses: [address] }, signal);
    stream.destroy();
    return { address, tookMs: performance.now() - start };
  } catch (error) {
    if (!CardwireError.is(error)) return { address, failure: "silent" };
    const isNameless = ["ENOTFOUND", "EAI_AGAIN"].includes(errorCode(error.cause) ?? "");
    return { address, failure: error, isNameless };
  }
}

async function lookAtLink(host: JoinedHost, signal: AbortSignal): Promise<LinkFacts> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  const start = performance.now();
  const way = {
    name: `cardwire://${host.name}`,
    open: async (within: { signal: AbortSignal }) => (await dial(host, within.signal)).stream,
  };
  try {
    const about = `${userInfo().username}@${hostname()}`;
    await using service = await remoteService(way, { ...OPTIONS, about }, { signal: limit });
    const tookMs = performance.now() - start;
    const roundTripMs = await service.roundTrip({ signal: limit });
    return { tookMs, server: service.server, readers: service.readers, roundTripMs };
  } catch (error) {
    signal.throwIfAborted();
    return { failure: CardwireError.is(error) ? error : "silent" };
  }
}

const dial = (host: JoinedHost, signal: AbortSignal) =>
  dialTls(host, Protocol.Link, {
    credentials: host.credentials,
    signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
  });
