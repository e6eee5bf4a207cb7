import { open } from "node:fs/promises";

/** A libpcsclite that a process has mapped, as /proc/PID/maps tells it (proc(5)). */
export interface MappedLibrary {
  /** As that process sees it; where it has been deleted or replaced, the place where it was. */
  readonly path: string;
  readonly inode: bigint;
  /** Addresses of its first mapping, as `/proc/PID/map_files` names it. */
  readonly range: string;
  /** Memory without a file right behind its last mapping, bytes: what of its `.bss` is on pages of its own. */
  readonly tailBytes: number;
}

/** How much of a process's maps is read, bytes: some ten thousand mappings. */
const MAX_BYTES = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** `libpcsclite.so.1.0.0`, `libpcsclite_real.so.1`, `libpcsclite-1a2b3c.so.1` as bundlers rename it. */
const LIBRARY = /\/libpcsclite[^/]*\.so[^/]*$/;

const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) \S{4} [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ (\d+) *(.*)$/;

/** What the kernel writes behind the name of a file that has no name any more. */
const DELETED = " (deleted)";

/**
 * The libpcsclites that a process has loaded; none where the process has ended, or is a stranger whose maps nobody but
 * root may read.
 */
export async function mappedLibraries(pid: number): Promise<readonly MappedLibrary[]> {
  return librariesIn(await readMaps(pid).catch(() => ""));
}

async function readMaps(pid: number): Promise<string> {
  await using file = await open(`/proc/${pid}/maps`);
  const chunks: Buffer[] = [];
  // Files of /proc have no size, and give a page at a time.
  for (let total = 0; total < MAX_BYTES; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES));
    if (bytesRead === 0) break;
    total += bytesRead;
    chunks.push(buffer.subarray(0, bytesRead));
  }
  return Buffer.concat(chunks).toString("latin1");
}

interface Found extends MappedLibrary {
  tailBytes: number;
  /** Where its last mapping ends. */
  end: string;
}

/** The same, from the text of such a file. */
export function librariesIn(maps: string): readonly MappedLibrary[] {
  const found: Found[] = [];
  for (const line of maps.split("\n")) {
    const [, start = "", end = "", inode = "0", name = ""] = MAPPING.exec(line) ?? [];
    const last = found.at(-1);
    if (name === "" && last?.end === start) {
      last.tailBytes = Number(BigInt(`0x${end}`) - BigInt(`0x${start}`));
      continue;
    }
    const path = name.endsWith(DELETED) ? name.slice(0, -DELETED.length) : name;
    if (!LIBRARY.test(path)) continue;
    if (last?.path === path && last.inode === BigInt(inode)) last.end = end;
    else found.push({ path, inode: BigInt(inode), range: `${start}-${end}`, end, tailBytes: 0 });
  }
  return found;
}
