import {
  type Credentials,
  isPair,
  isRenewalDue,
  makeAuthority,
  makeServerCredentials,
  validity,
} from "../carriers/tls/authority.ts";
import { checkCertificate, fingerprintOf, readCertificate } from "../carriers/tls/certificates.ts";
import { Purpose } from "../carriers/tls/protocols.ts";
import { CardwireError } from "../domain/errors.ts";
import { readPrivateFile, writePrivateFile } from "../host/private-file.ts";
import type { Register } from "./records.ts";
import type { Store } from "./store.ts";

/** A card host's own authority, and what it shows of itself. */
export interface AuthorityFiles {
  readonly authority: Credentials;
  readonly server: Credentials;
  /** By which invitations know the authority. */
  readonly fingerprint: string;
}

/**
 * The authority in the store's files, and the server's certificate: made where there are none yet, the latter also when
 * a third of its time is left.
 *
 * @param host what this computer is called, for people.
 * @throws {CardwireError} `E_STATE` when they cannot be read, a part is missing, or somebody knows an authority that does
 *   not hold now; `E_DISK_FULL`, `E_LOCKED`.
 */
export async function authorityFiles(
  store: Store,
  host: string,
  now = Date.now(),
): Promise<AuthorityFiles> {
  return await store.locked(async () => {
    const authority = await authorityIn(store, host, now);
    const server = await load(store, "server");
    const isGood = server !== undefined && isServers(server, authority, now);
    return {
      authority,
      server: isGood ? server : await renewed(store, authority, host, now),
      fingerprint: fingerprintOf(readCertificate(authority.certificate)),
    };
  });
}

async function load(store: Store, name: "ca" | "server"): Promise<Credentials | undefined> {
  const [key, certificate] = await Promise.all(
    [`${name}.key`, `${name}.crt`].map((file) => readPrivateFile(store.file(file))),
  );
  if (key === undefined || certificate === undefined) return undefined;
  try {
    if (name === "server" || isPair({ key, certificate })) return { key, certificate };
  } catch (cause) {
    throw damaged(store, "is damaged", cause);
  }
  throw damaged(store, "has another key");
}

/** The one that there is, or a new one where nobody knows that: a first start may have been by a wrong clock. */
async function authorityIn(store: Store, host: string, now: number): Promise<Credentials> {
  const found = await load(store, "ca");
  const why = found && whyNot(found, now);
  if (found && why === undefined) return found;
  if (isKnown(await store.read(), now))
    throw why === undefined ? damaged(store, "is missing") : over(store, why, now);
  const authority = await makeAuthority(host, now);
  await save(store, "ca", authority);
  return authority;
}

/** Whether somebody came in by the authority, or has a token that tells of it. */
const isKnown = ({ identities, invitations }: Register, now: number): boolean =>
  identities.length > 0 ||
  invitations.some(({ used, expires }) => used !== undefined || Date.parse(expires) > now);

/** Whether it holds now. */
export const holds = (authority: Credentials, now = Date.now()): boolean =>
  whyNot(authority, now) === undefined;

/** Why an authority does not hold now. */
function whyNot({ certificate }: Credentials, now: number): string | undefined {
  const { from, to } = validity(readCertificate(certificate));
  if (now < from) return `holds only from ${day(from)}`;
  return now < to ? undefined : `expired on ${day(to)}`;
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);

async function renewed(
  store: Store,
  authority: Credentials,
  host: string,
  now: number,
): Promise<Credentials> {
  const server = await makeServerCredentials(authority, host, now);
  await save(store, "server", server);
  return server;
}

async function save(store: Store, name: string, { key, certificate }: Credentials): Promise<void> {
  await writePrivateFile(store.file(`${name}.key`), key);
  await writePrivateFile(store.file(`${name}.crt`), certificate);
}

/** Half a pair, as a crash between two files leaves it, is as good as none. */
function isServers(server: Credentials, authority: Credentials, now: number): boolean {
  try {
    const [one, by] = [server, authority].map(({ certificate }) => readCertificate(certificate));
    if (!one || !by || !isPair(server)) return false;
    checkCertificate(one, by, { purpose: Purpose.Server, now });
    return !isRenewalDue(server.certificate, now);
  } catch {
    return false;
  }
}

const over = (store: Store, why: string, now: number): CardwireError =>
  new CardwireError("E_STATE", `the authority in ${store.path} ${why}`, {
    hint: `This computer's clock shows ${day(now)}. If that is right, end serve, and: mv ${store.path} ${store.path}.old; everybody has to be invited again.`,
  });

const damaged = (store: Store, what: string, cause?: unknown): CardwireError =>
  new CardwireError("E_STATE", `the authority in ${store.path} ${what}`, {
    cause,
    hint: `Put ca.key and ca.crt back from a copy. To begin anew, remove ${store.path}: everybody has to be invited again.`,
  });
