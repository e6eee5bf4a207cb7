import { readFile, realpath, writeFile } from "node:fs/promises";

// A libpcsclite with 48 slots, as Fedora builds it, cannot be had from Debian. What tells such a file from others is the
// size of its uninitialised data: the array of 48 slot records. So Debian's own library is taken, and given as much. It is
// loaded as it was before; its code still works with 16 slots, so nobody calls it.

/** What 32 more slot records take, bytes. */
const MORE_BYTES = 32 * 184;

// elf(5), 64 bits.
const PT_LOAD = 1;
const SHT_NOBITS = 8;
const SHF_TLS = 0x400;

/** The bytes of a 64-bit library, with room for 48 slots instead of 16. */
export function withMoreSlots(library: Uint8Array): Buffer {
  const bytes = Buffer.from(library);
  const little = bytes[5] === 1;
  const u16 = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const u64 = (at: number) =>
    Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
  const grow = (at: number) => {
    const size = BigInt(u64(at) + MORE_BYTES);
    if (little) bytes.writeBigUInt64LE(size, at);
    else bytes.writeBigUInt64BE(size, at);
  };
  const entries = (table: number, size: number, count: number) =>
    Array.from({ length: count }, (_, index) => table + index * size);
  const segments = entries(u64(0x20), u16(0x36), u16(0x38)).filter((at) => u32(at) === PT_LOAD);
  const sections = entries(u64(0x28), u16(0x3a), u16(0x3c)).filter(
    (at) => u32(at + 4) === SHT_NOBITS && (u64(at + 8) & SHF_TLS) === 0,
  );
  const [segment, section] = [segments.at(-1), sections.at(-1)];
  if (segment === undefined || section === undefined) throw new Error("this is no such library");
  grow(segment + 0x28); // p_memsz, of what the loader makes
  grow(section + 0x20); // sh_size, of .bss
  return bytes;
}

/** Writes such a library where `to` says, made of that in `from`. */
export async function writeLibrary(from: string, to: string): Promise<void> {
  await writeFile(to, withMoreSlots(await readFile(await realpath(from))));
}
