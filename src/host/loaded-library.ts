import { constants } from "node:fs";
import { type FileHandle, open, readlink } from "node:fs/promises";
import { librarySlots } from "./library-file.ts";
import { type MappedLibrary, mappedLibraries } from "./process-maps.ts";

/** A libpcsclite is a tenth of this, bytes. What is larger is another file. */
const MAX_BYTES = 1024 * 1024;

/** How long one program's library is looked for, ms. */
const LIMIT_MS = 1_000;

/** Programs looked at at once. Files of a hostile one may never answer, and each holds one of Node.js's four threads. */
const MAX_AT_ONCE = 2;

/** Libraries remembered. */
const MAX_KNOWN = 64;

/** Names a file without opening it: a device would act (open(2)). The same number on every machine that Node.js runs on. */
const O_PATH = 0o10000000;

/** Page size of these machines, bytes; others have several. */
const PAGE_BYTES = 4_096;
const smallPages = new Set(["x64", "ia32", "s390x"]);

/**
 * Finds out how many reader slots programs expect, from the libpcsclite that each has loaded (protocol reference,
 * section 6.4). Nothing of a program is trusted: all that it can do is to get a number for itself.
 */
export class LoadedLibraries {
  readonly #known = new Map<string, number>();
  readonly #asked = new Map<number, Promise<number | undefined>>();
  readonly #turns: (() => void)[] = [];
  #running = 0;

  /**
   * 16 or 48. Undefined where nothing is known: the process is hidden from us or has ended, has no libpcsclite, such as
   * a static program, has one from 2.5.0 on, which expects no fixed number, or does not let itself be read in a second.
   *
   * @param pid as SO_PEERCRED tells it: 0 for a process of a namespace that is hidden from us.
   */
  slots(pid: number): Promise<number | undefined> {
    if (pid <= 0) return Promise.resolve(undefined);
    const asked = this.#asked.get(pid) ?? this.#find(pid);
    this.#asked.set(pid, asked);
    return asked;
  }

  async #find(pid: number): Promise<number | undefined> {
    const expired = new AbortController();
    const timer = setTimeout(() => expired.abort(), LIMIT_MS);
    const late = new Promise<undefined>((resolve) => {
      expired.signal.addEventListener("abort", () => resolve(undefined));
    });
    try {
      return await Promise.race([late, this.#inTurn(pid, expired.signal)]);
    } finally {
      clearTimeout(timer);
      this.#asked.delete(pid);
    }
  }

  async #inTurn(pid: number, signal: AbortSignal): Promise<number | undefined> {
    if (this.#running >= MAX_AT_ONCE) {
      await new Promise<void>((resolve) => {
        this.#turns.push(resolve);
        signal.addEventListener("abort", () => {
          const at = this.#turns.indexOf(resolve);
          if (at >= 0) this.#turns.splice(at, 1);
        });
      });
    }
    this.#running += 1;
    try {
      return await this.#look(pid);
    } catch {
      return undefined; // it has ended, or is none of ours
    } finally {
      this.#running -= 1;
      this.#turns.shift()?.();
    }
  }

  async #look(pid: number): Promise<number | undefined> {
    // Another namespace's /proc may be mounted here, in which that number is somebody else.
    if ((await readlink("/proc/self")) !== `${process.pid}`) return undefined;
    const told = new Set<number>();
    const mapped = await mappedLibraries(pid);
    // From 2.1.0 on libpcsclite.so.1 only loads this one.
    const real = mapped.filter(({ path }) => path.includes("/libpcsclite_real"));
    for (const library of real.length > 0 ? real : mapped) {
      const slots = (await this.#ofFile(pid, library)) ?? fromMemory(library);
      if (slots !== undefined && slots > 0) told.add(slots);
    }
    // One that has loaded both kinds may use either.
    return told.size === 1 ? [...told][0] : undefined;
  }

  /** Of the file that is mapped. Undefined where it cannot be read: it may have been replaced on disk since. */
  async #ofFile(pid: number, { path, inode, range }: MappedLibrary): Promise<number | undefined> {
    const { O_NOFOLLOW } = constants;
    const named = await this.#read(`/proc/${pid}/root${path}`, { flags: O_NOFOLLOW, inode });
    // Leads to the very file, whatever became of its name, but only root may go there.
    return named ?? (await this.#read(`/proc/${pid}/map_files/${range}`, { flags: 0, inode }));
  }

  async #read(
    path: string,
    { flags, inode }: { flags: number; inode: bigint },
  ): Promise<number | undefined> {
    try {
      await using place = await open(path, O_PATH | flags);
      const { ino, dev, size, mtimeNs, isFile } = await statOf(place);
      if (!isFile || ino !== inode) return undefined;
      if (size > MAX_BYTES) return 0;
      const key = `${dev} ${ino} ${mtimeNs} ${size}`;
      const known = this.#known.get(key) ?? librarySlots(await readAll(place, Number(size)));
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(key, known);
      return known;
    } catch {
      return undefined; // gone, or not ours to read
    }
  }
}

async function statOf(file: FileHandle) {
  const stats = await file.stat({ bigint: true });
  const { ino, dev, size, mtimeNs } = stats;
  return { ino, dev, size, mtimeNs, isFile: stats.isFile() };
}

/** Reads a regular file that is only named so far. */
async function readAll(place: FileHandle, size: number): Promise<Buffer> {
  await using file = await open(`/proc/self/fd/${place.fd}`);
  const buffer = Buffer.alloc(size);
  const { bytesRead } = await file.read(buffer, 0, size, 0);
  return buffer.subarray(0, bytesRead);
}

/**
 * Of a library whose file cannot be read any more, as after an upgrade: 16 slots and all else in `.bss` fill 3,400
 * bytes, which begin on a page of the file's and take one more at most; with 48 they are 9,200 and take two or three.
 */
function fromMemory({ tailBytes }: MappedLibrary): number | undefined {
  if (!smallPages.has(process.arch)) return undefined;
  const pages = tailBytes / PAGE_BYTES;
  if (pages < 2) return 16;
  // More is other memory that happens to lie there.
  return pages <= 3 ? 48 : undefined;
}
