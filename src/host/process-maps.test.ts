import { expect, test } from "vitest";
import { librariesIn, mappedLibraries } from "./process-maps.ts";

// proc(5): addresses, rights, offset, device, inode, path. Cut from a real process's, with other addresses and names.
const maps = `
55d0c0a00000-55d0c0a01000 r--p 00000000 fe:00 4711                       /usr/bin/pcsc_scan
7f0000000000-7f0000002000 r--p 00000000 fe:00 815                        /usr/lib/libpcsclite.so.1.0.0
7f0000002000-7f0000008000 r-xp 00002000 fe:00 815                        /usr/lib/libpcsclite.so.1.0.0
7f0000008000-7f0000009000 rw-p 00008000 fe:00 815                        /usr/lib/libpcsclite.so.1.0.0
7f0000009000-7f000000b000 rw-p 00000000 00:00 0 
7f000000b000-7f000000c000 rw-p 00000000 00:00 0 
7f000000d000-7f000000e000 r--p 00000000 00:2f 18446744073709551615       /opt/a b/libpcsclite_real-1f2e.so.1 (deleted)
7f000000e000-7f0000010000 r--p 00000000 fe:00 12                         /usr/lib/libpcscspy.so.0
7f0000010000-7f0000011000 rw-p 00000000 00:00 0                          [heap]
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
`;

test("the libpcsclites of a process, with what of their memory lies on pages of its own", () => {
  expect(librariesIn(maps)).toMatchObject([
    {
      path: "/usr/lib/libpcsclite.so.1.0.0",
      inode: 815n,
      range: "7f0000000000-7f0000002000",
      tailBytes: 8_192,
    },
    {
      path: "/opt/a b/libpcsclite_real-1f2e.so.1",
      inode: 18446744073709551615n,
      range: "7f000000d000-7f000000e000",
      tailBytes: 0,
    },
  ]);
});

test("none of a process without one, of none, and of text that is something else", async () => {
  expect(librariesIn("no maps\n\n1-2")).toEqual([]);
  expect(await mappedLibraries(process.pid)).toEqual([]);
  expect(await mappedLibraries(2 ** 30)).toEqual([]);
});
