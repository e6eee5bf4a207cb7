import { lstat, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { explainFileError } from "./file-errors.ts";
import { withLock } from "./lock.ts";
import { attachmentDirectory } from "./paths.ts";
import { isRunning, type ProcessIdentity, thisProcess } from "./process-identity.ts";
import { readStart } from "./read-start.ts";
import { removeStaleSocket } from "./unix-socket.ts";

/** What a running `cardwire attach` says about itself in DIRECTORY/NAME/attachment.json. */
export interface AttachmentRecord extends ProcessIdentity {
  readonly name: string;
  /** What it is attached to, as given on the command line. */
  readonly where: readonly string[];
  /** The pcscd-compatible socket. */
  readonly socket: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
}

/** The right to a name. Disposing it removes the attachment's directory with everything in it. */
export interface AttachmentClaim extends AsyncDisposable {
  /** Of this attachment alone, 0700 until others are let in to its socket. */
  readonly directory: string;
  readonly record: AttachmentRecord;
}

const RECORD = "attachment.json";

/** Longest record, bytes: it names hosts. */
const MAX_RECORD_BYTES = 256 * 1024;

/**
 * Takes a name below the run-time directory. What a dead process left behind under it is removed, but for a socket at
 * the place where ours will be: whoever publishes that replaces it, so that there is always one.
 *
 * @throws {CardwireError} `E_NAME` not a name; `E_NAME_IN_USE` a running process has it; `E_LOCKED`; `E_DISK_FULL`.
 */
export async function claimAttachment(
  runtime: string,
  { name, where, socket }: Pick<AttachmentRecord, "name" | "where" | "socket">,
): Promise<AttachmentClaim> {
  const directory = attachmentDirectory(runtime, name);
  const owner = await thisProcess();
  const record = { name, where, socket, ...owner, startedAt: new Date().toISOString() };
  await withLock(directory, async () => {
    const holder = await readRecord(runtime, name);
    if (holder !== undefined && (await isRunning(holder))) throw nameInUse(name, holder);
    // Nobody would know of it any more. What cannot be removed was no hindrance so far.
    if (holder !== undefined && holder.socket !== socket)
      await removeStaleSocket(holder.socket).catch(() => {});
    try {
      await emptyDirectory(directory, { except: relative(directory, socket) });
      await write(join(directory, RECORD), record);
    } catch (cause) {
      await rm(directory, { recursive: true, force: true }).catch(() => {}); // what cannot be made may not be there
      throw explainFileError(cause, `the attachment ${name}`, runtime);
    }
  });
  const release = async () => {
    const holder = await readRecord(runtime, name);
    if (holder?.pid !== owner.pid || holder.startTime !== owner.startTime) return; // no longer ours
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, record, [Symbol.asyncDispose]: () => withLock(directory, release) };
}

/** Makes a private directory, or empties the one there is. */
async function emptyDirectory(path: string, { except }: { except: string }): Promise<void> {
  const found = await lstat(path).catch(() => undefined); // there is none
  if (!found?.isDirectory() || (found.mode & 0o777) !== 0o700) {
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { mode: 0o700 });
  }
  for (const name of await readdir(path))
    if (name !== except) await rm(join(path, name), { recursive: true, force: true });
}

function nameInUse(name: string, { pid, where }: AttachmentRecord): CardwireError {
  const to = where.length === 0 ? "" : `, attached to ${where.join(" and ")}`;
  return new CardwireError("E_NAME_IN_USE", `process ${pid} is the attachment ${name}${to}`, {
    hint: "Use it with 'cardwire env', end it, or choose another name with --name.",
  });
}

/** Every attachment whose process is alive, by name. Records of dead ones and strange files are passed over. */
export async function runningAttachments(runtime: string): Promise<readonly AttachmentRecord[]> {
  const records = await attachmentRecords(runtime);
  return records.filter(({ inUse }) => inUse).map(({ record }) => record);
}

/** Every record below a run-time directory, by name, and whether its process is alive. */
export async function attachmentRecords(
  runtime: string,
): Promise<readonly { readonly record: AttachmentRecord; readonly inUse: boolean }[]> {
  const names = await readdir(runtime).catch(() => []); // no directory: nothing was ever attached
  const found = [];
  for (const name of names.toSorted((a, b) => (a < b ? -1 : 1))) {
    const record = await readRecord(runtime, name);
    if (record !== undefined) found.push({ record, inUse: await isRunning(record) });
  }
  return found;
}

/** In one step: a reader sees the whole record or none. */
async function write(path: string, record: AttachmentRecord): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Undefined when there is none, or none that a cardwire wrote for this name. */
async function readRecord(runtime: string, name: string): Promise<AttachmentRecord | undefined> {
  try {
    // Root reads those of services' users, too, who may put anything there.
    const { bytes } = await readStart(join(runtime, name, RECORD), MAX_RECORD_BYTES);
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isRecord(value) && value.name === name ? value : undefined;
  } catch {
    return undefined; // not there, or not JSON: whoever wrote that is not a running attachment
  }
}

function isRecord(value: unknown): value is AttachmentRecord {
  if (typeof value !== "object" || value === null) return false;
  const { name, where, socket, pid, startTime, startedAt } = value as Record<string, unknown>;
  return (
    [name, socket, startedAt].every((field) => typeof field === "string") &&
    Number.isSafeInteger(pid) &&
    Number.isSafeInteger(startTime) &&
    Array.isArray(where) &&
    where.every((field) => typeof field === "string")
  );
}
