/** What the file of a libpcsclite tells about it. */
export interface LibraryFile {
  readonly knowsVariable: boolean;
  readonly secure: boolean;
  /** Reader slots that it has room for: 16 or 48; 0 where it takes as many as there are, or is another file. */
  readonly slots: number;
  readonly socket: string | undefined;
}

/** One element of the array of reader states in pcsc-lite's client (winscard_msg.h). */
const SLOT_BYTES = 184;

/** What Fedora builds pcsc-lite with. */
const MANY_SLOTS = 48;
/** What everybody else leaves it at. */
const FEW_SLOTS = 16;

/** Reads the file of a shared library as its bytes. Whatever it is, this never throws. */
export function readLibrary(bytes: Buffer): LibraryFile {
  const text = bytes.toString("latin1");
  const socket = /\/(?:var\/)?run\/[\w./-]*pcscd[\w./-]*/.exec(text)?.[0];
  return {
    knowsVariable: text.includes("PCSCLITE_CSOCK_NAME"),
    secure: text.includes("secure_getenv"),
    slots: librarySlots(bytes),
    // Compilers merge the tail of a string that they put together at run time: `/run/pcscd/pcscd` + `.comm`.
    socket: socket?.replace(/\/pcscd$/, "/pcscd.comm"),
  };
}

/**
 * The reader slots that a libpcsclite has room for, from its file's bytes (protocol reference, section 6.4): up to
 * 2.4.1 the states of all slots are a static array, the only large thing in `.bss`; later there is none.
 *
 * @returns 16, 48, or 0 for a later library, one that only loads another, or any other file. It never throws, and
 *   takes no longer for bytes that somebody made up.
 */
export function librarySlots(bytes: Buffer): number {
  const size = bssBytes(bytes);
  return [MANY_SLOTS, FEW_SLOTS].find((slots) => size >= slots * SLOT_BYTES) ?? 0;
}

/** Section type of `.bss` and the like: SHT_NOBITS (elf(5)). */
const NOBITS = 8;

/** Flag of thread-local sections: SHF_TLS. */
const TLS = 0x400;

/** The size of an ELF file's uninitialised data; 0 where there is none, or it is no ELF file. */
function bssBytes(bytes: Buffer): number {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) return 0;
  const wide = bytes[4] === 2;
  const little = bytes[5] === 1;
  const u16 = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const word = (at: number) => {
    if (!wide) return u32(at);
    return Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
  };
  const [table, entry, count] = wide
    ? [word(0x28), u16(0x3a), u16(0x3c)]
    : [word(0x20), u16(0x2e), u16(0x30)];
  const at = wide ? { flags: 8, size: 0x20, end: 0x40 } : { flags: 8, size: 0x14, end: 0x28 };
  let sum = 0;
  for (let section = 0; section < count; section += 1) {
    const start = table + section * entry;
    if (start + at.end > bytes.length) break; // a file that was cut
    const isData = u32(start + 4) === NOBITS && (word(start + at.flags) & TLS) === 0;
    if (isData) sum += word(start + at.size);
  }
  return sum;
}
