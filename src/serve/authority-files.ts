import {
  type Credentials,
  isPair,
  isRenewalDue,
  makeAuthority,
  makeServerCredentials,
} from "../carriers/tls/authority.ts";
import { checkCertificate, fingerprintOf, readCertificate } from "../carriers/tls/certificates.ts";
import { Purpose } from "../carriers/tls/protocols.ts";
import { CardwireError } from "../domain/errors.ts";
import { readPrivateFile, writePrivateFile } from "../host/private-file.ts";
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
 * @throws {CardwireError} `E_STATE` when they cannot be read, or a part is missing; `E_DISK_FULL`, `E_LOCKED`.
 */
export async function authorityFiles(
  store: Store,
  host: string,
  now = Date.now(),
): Promise<AuthorityFiles> {
  return await store.locked(async () => {
    const authority = (await load(store, "ca")) ?? (await first(store, host, now));
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

/** A new authority; only where nobody knows one yet. */
async function first(store: Store, host: string, now: number): Promise<Credentials> {
  const { identities, invitations } = await store.read();
  if (identities.length > 0 || invitations.length > 0) throw damaged(store, "is missing");
  const authority = await makeAuthority(host, now);
  await save(store, "ca", authority);
  return authority;
}

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

const damaged = (store: Store, what: string, cause?: unknown): CardwireError =>
  new CardwireError("E_STATE", `the authority in ${store.path} ${what}`, {
    cause,
    hint: `Put ca.key and ca.crt back from a copy. To begin anew, remove ${store.path}: everybody has to be invited again.`,
  });
