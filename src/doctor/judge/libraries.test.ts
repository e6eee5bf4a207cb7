import { describe, expect, test } from "vitest";
import { judgeLibraries, type LibraryFacts } from "./libraries.ts";
import { readLibrary } from "../../host/library-file.ts";

const library: LibraryFacts = {
  path: "/usr/lib/libpcsclite.so.1",
  version: "1.9.9",
  knowsVariable: true,
  secure: false,
  slots: 16,
  socket: "/run/pcscd/pcscd.comm",
  bundled: false,
};

const judge = (changed: Partial<LibraryFacts>, foreign = false) =>
  judgeLibraries({ place: "this computer", foreign, libraries: [{ ...library, ...changed }] });

// docs of pcsc-lite's protocol: which release speaks what.
test.each([
  ["1.6.5", "4:2"],
  ["1.8.8", "4:2"],
  ["1.8.9", "4:3"],
  ["1.8.23", "4:3"],
  ["1.8.24", "4:4"],
  ["1.9.9", "4:4"],
  ["2.2.3", "4:4"],
  ["2.3.0", "4:5"],
  ["2.4.1", "4:5"],
  ["2.5.0", "4:6"],
  ["2.10.0", "4:6"],
])("libpcsclite %s speaks %s", (version, protocol) => {
  expect(judge({ version })[0]).toMatchObject({
    check: "library",
    what: expect.stringMatching(`protocol ${protocol}$`),
  });
});

test.each([
  [{ version: "1.6.4" }, "library-old fault"],
  [{ knowsVariable: false }, "library-ignores-variable warning"],
  [{ slots: 48 }, "library-slots warning"],
  [{ bundled: true }, "library-bundled note"],
])("%j", (changed, expected) => {
  const found = judge(changed).map(({ check, level }) => `${check} ${level}`);
  expect(found).toContain(expected);
});

test("none at all", () => {
  const [found] = judgeLibraries({ place: "/root", foreign: true, libraries: [] });
  expect(found).toMatchObject({ check: "library-missing", level: "note" });
});

describe("a library's file", () => {
  /** An ELF header and one section header, laid out by hand after elf(5). */
  function elf({ wide, little, bss }: { wide: boolean; little: boolean; bss: number }): Buffer {
    const bytes = Buffer.alloc(256);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2]);
    const put = (at: number, value: number, size: 2 | 4 | 8) => {
      if (size === 2) view.setUint16(at, value, little);
      else if (size === 4) view.setUint32(at, value, little);
      else view.setBigUint64(at, BigInt(value), little);
    };
    put(wide ? 0x28 : 0x20, 128, wide ? 8 : 4); // e_shoff
    put(wide ? 0x3a : 0x2e, wide ? 64 : 40, 2); // e_shentsize
    put(wide ? 0x3c : 0x30, 1, 2); // e_shnum
    put(128 + 4, 8, 4); // sh_type: SHT_NOBITS
    put(128 + (wide ? 0x20 : 0x14), bss, wide ? 8 : 4); // sh_size
    return bytes;
  }

  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])("shows its slots: 64 bits %s, little-endian %s", (wide, little) => {
    expect(readLibrary(elf({ wide, little, bss: 48 * 184 + 300 })).slots).toBe(48);
    expect(readLibrary(elf({ wide, little, bss: 16 * 184 + 300 })).slots).toBe(16);
    // From 2.5.0 on it has no array of fixed length.
    expect(readLibrary(elf({ wide, little, bss: 528 })).slots).toBe(0);
  });

  test("shows what it asks for", () => {
    const text = "\0secure_getenv\0PCSCLITE_CSOCK_NAME\0SCard$DefaultRea/run/pcscd/pcscd.comm\0";
    expect(readLibrary(Buffer.from(text))).toMatchObject({
      knowsVariable: true,
      secure: true,
      socket: "/run/pcscd/pcscd.comm",
    });
    const old = readLibrary(Buffer.from("\0/var/run/pcscd/pcscd.comm\0"));
    expect(old).toMatchObject({ knowsVariable: false, socket: "/var/run/pcscd/pcscd.comm" });
  });

  test.each([0, 3, 40, 180])("that was cut after %d bytes does no harm", (length) => {
    const cut = elf({ wide: true, little: true, bss: 9_000 }).subarray(0, length);
    expect(readLibrary(cut)).toMatchObject({ slots: 0 });
  });
});
