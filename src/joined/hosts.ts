import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Credentials } from "../carriers/tls/authority.ts";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "../host/error-code.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "../host/owned-directory.ts";
import { checkAttachmentName } from "../host/paths.ts";
import {
  explainStateError,
  makePrivatePath,
  readPrivateFile,
  statePath,
  writePrivateFile,
} from "../host/private-file.ts";
import { removeLeftovers } from "../host/replace-file.ts";

/** Prefix of the directories in which such a host is being made, or taken away. Names do not begin so. */
const ASIDE = ".aside";

const Record = v.object({
  version: v.literal(1),
  /** As whom we are known there. */
  identity: v.string(),
  addresses: v.pipe(v.array(v.string()), v.minLength(1)),
  port: v.number(),
  /** SHA-256 of its authority's key, in hexadecimal; none of an organisation's. */
  fingerprint: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
  joined: v.pipe(v.string(), v.isoTimestamp()),
});

/** What is known of a card host that we joined. */
export type HostRecord = Readonly<Omit<v.InferOutput<typeof Record>, "version" | "fingerprint">> & {
  readonly fingerprint: string | undefined;
};

/** A card host that we joined, and what we show there. */
export interface JoinedHost extends HostRecord {
  /** What it is called here. */
  readonly name: string;
  readonly credentials: Credentials;
  /** Its authority's certificate, PEM. */
  readonly authority: string;
}

/** Where all of them are. */
export const hostsPath = (): string => join(statePath(), "hosts");

/** Their names. Never throws. */
export async function joinedNames(path = hostsPath()): Promise<readonly string[]> {
  const names = await readdir(path).catch(() => []); // nothing was joined yet
  return names.filter((name) => !name.startsWith(".")).toSorted();
}

/** Whether a host of that name was joined. Never throws. */
export async function isJoined(name: string, path = hostsPath()): Promise<boolean> {
  return await stat(join(path, name, "host.json")).then(
    () => true,
    () => false,
  );
}

/** @throws {CardwireError} `E_NOT_JOINED`; `E_STATE` when its files cannot be read. */
export async function readHost(name: string, path = hostsPath()): Promise<JoinedHost> {
  checkAttachmentName(name);
  const folder = join(path, name);
  const [text, key, certificate, authority] = await Promise.all(
    FILES.map((file) => readPrivateFile(join(folder, file))),
  );
  if (text === undefined) throw notJoined(name);
  if (key === undefined || certificate === undefined || authority === undefined)
    throw damaged(name, folder);
  try {
    const { version: _version, ...record } = v.parse(Record, JSON.parse(text));
    return {
      ...record,
      fingerprint: record.fingerprint,
      name,
      credentials: { key, certificate },
      authority,
    };
  } catch (cause) {
    throw damaged(name, folder, cause);
  }
}

const FILES = ["host.json", "key.pem", "cert.pem", "ca.pem"] as const;

/** A place for a host that is being joined. Disposing gives it up, unless the host was settled in it. */
export interface Room extends AsyncDisposable {
  /**
   * Keeps the host, all its files or none.
   *
   * @throws {CardwireError} `E_JOINED` when another one has got its name meanwhile; `E_STATE`, `E_DISK_FULL`.
   */
  settle(host: JoinedHost): Promise<void>;
}

/**
 * Makes a place for a host, and puts its key there: should there be no space, it shows before a token is used up.
 *
 * @throws {CardwireError} `E_NAME`, `E_JOINED` when there is one of that name; `E_STATE`, `E_DISK_FULL`.
 */
export async function makeRoom(name: string, key: string, path = hostsPath()): Promise<Room> {
  checkAttachmentName(name);
  await makePrivatePath(path);
  if ((await joinedNames(path)).includes(name)) throw taken(name);
  const aside = await makeAside(path);
  const room: Room = {
    settle: async (host) => {
      const { name: _name, credentials, authority, ...record } = host;
      await writePrivateFile(join(aside, "cert.pem"), credentials.certificate);
      await writePrivateFile(join(aside, "ca.pem"), authority);
      const text = JSON.stringify({ version: 1, ...record }, undefined, 2);
      await writePrivateFile(join(aside, "host.json"), `${text}\n`);
      await rename(aside, join(path, name)).catch((cause: unknown) => {
        // Where one is.
        throw ["ENOTEMPTY", "EEXIST"].includes(errorCode(cause) ?? "") ? taken(name) : cause;
      });
    },
    [Symbol.asyncDispose]: () => rm(aside, { recursive: true, force: true }), // gone, if it was settled
  };
  try {
    await writePrivateFile(join(aside, "key.pem"), key);
    return room;
  } catch (error) {
    await room[Symbol.asyncDispose]();
    throw error;
  }
}

async function makeAside(path: string): Promise<string> {
  await sweepOwnedDirectories(path, ASIDE); // of one that was killed: there may be a key in it
  return await makeOwnedDirectory(path, ASIDE).catch((cause: unknown) => {
    throw explainStateError(cause, path, "written");
  });
}

/** Puts another certificate in the place of a host's. One at a time. @throws {CardwireError} `E_STATE`, `E_DISK_FULL` */
export async function replaceCertificate(
  name: string,
  certificate: string,
  path = hostsPath(),
): Promise<void> {
  if (!(await isJoined(name, path))) return;
  const file = join(path, name, "cert.pem");
  await removeLeftovers(file);
  await writePrivateFile(file, certificate);
}

/** Removes a host with its key. @throws {CardwireError} `E_NOT_JOINED`, `E_STATE` */
export async function removeHost(name: string, path = hostsPath()): Promise<void> {
  checkAttachmentName(name);
  await makePrivatePath(path);
  const aside = await makeAside(path);
  try {
    await rename(join(path, name), join(aside, name)); // at once, whatever may happen then
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") throw notJoined(name);
    throw cause;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

const taken = (name: string): CardwireError =>
  new CardwireError("E_JOINED", `a host called ${name} was joined already`, {
    hint: `Choose another name with --name, or leave that one first: cardwire leave ${name}`,
  });

export const notJoined = (name: string): CardwireError =>
  new CardwireError("E_NOT_JOINED", `no host called ${name} was joined from here`, {
    hint: "'cardwire invite NAME' on the card host prints a token, 'cardwire join TOKEN' here takes it.",
  });

const damaged = (name: string, folder: string, cause?: unknown): CardwireError =>
  new CardwireError("E_STATE", `what is known of ${name} in ${folder} is damaged`, {
    cause,
    hint: `'cardwire leave ${name}' removes it; then join again with another token.`,
  });
