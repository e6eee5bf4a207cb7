import { expect, test } from "vitest";
import { healthyHost } from "../../../test/doctor/healthy-host.ts";
import type { Reader } from "../../domain/card-service.ts";
import { judgeReaders, judgeSameReaders, type ReadersCase } from "./readers.ts";

const place = { name: "cardhost", remote: true };
const reader: Reader = {
  name: "ACME Reader 00 00",
  stateBits: 0x34,
  sharing: 0,
  protocol: 2,
  eventCounter: 1,
};

const judge = (changed: Partial<ReadersCase>) =>
  judgeReaders({ place, readers: [reader], host: healthyHost, ...changed });
const names = (changed: Partial<ReadersCase>) =>
  judge(changed).map(({ check, level }) => `${check} ${level}`);

test("readers are listed", () => {
  expect(names({})).toEqual(["readers good"]);
});

test.each([
  ["nothing plugged in", {}, "readers-none warning", /lsusb/],
  ["a reader that pcscd does not take", { usb: ["ACME"] }, "readers-none warning", /journalctl/],
  ["no driver", { ccid: undefined }, "ccid-driver-missing warning", /apt install libccid/],
  [
    "a reader, and no driver",
    { ccid: undefined, usb: ["ACME"] },
    "ccid-driver-missing fault",
    /apt install libccid/,
  ],
] as const)("no readers: %s", (_why, changed, expected, remedy) => {
  const given = { readers: [], host: { ...healthyHost, ...changed } };
  expect(names(given)).toEqual([expected]);
  expect(judge(given)[0]?.remedy).toMatch(remedy);
});

test("a reader that scdaemon took from pcscd", () => {
  const host = { ...healthyHost, usb: ["YubiKey"], scdaemons: [77] };
  const found = judge({ readers: [], host });
  expect(found.map(({ check }) => check)).toContain("reader-taken-from-pcscd");
  expect(found.at(-1)?.remedy).toMatch(/echo disable-ccid >> ~\/\.gnupg\/scdaemon\.conf\ngpgconf/);
  expect(names({ host })).toEqual(["readers good"]); // pcscd has it
});

// vpcd has no such card: it takes a card that does not answer for none.
test("a card that does not answer", () => {
  expect(names({ readers: [{ ...reader, stateBits: 0x0c }] })).toContain("card-mute warning");
});

const held = [{ ...reader, sharing: -1 }];

test.each([
  [{}, /by one program$/, /ss -xp/],
  [
    { clients: [{ pid: 9, user: "eve", program: "firefox" }] },
    /firefox \(process 9 of eve\)/,
    /kill 9/,
  ],
  [
    { clients: [{ pid: 9, user: "bob", program: "scdaemon" }] },
    /scdaemon \(process 9 of bob\)/,
    /gpgconf --kill scdaemon[^]*pcsc-shared/,
  ],
  [{ scdaemons: [12] }, /scdaemon \(process 12\)/, /gpgconf --kill scdaemon/],
  [{ clients: [{ pid: 3, user: "bob", program: "sshd" }] }, /by one program$/, /ss -xp/],
])("a reader that is held: %j", (changed, what, remedy) => {
  const found = judge({ readers: held, host: { ...healthyHost, ...changed } }).at(-1);
  expect(found).toMatchObject({ check: "reader-exclusive", level: "warning" });
  expect(found?.what).toMatch(what);
  expect(found?.remedy).toMatch(remedy);
});

test("an attachment that shows the same", () => {
  const there = { place, readers: ["A", "B"] };
  expect(judgeSameReaders({ name: "work", readers: ["B", "A"] }, there)).toEqual([]);
  const [found] = judgeSameReaders({ name: "work", readers: ["A", "C"] }, there);
  expect(found?.what).toBe(
    'the attachment work does not show "B" and shows "C", which is not there on cardhost',
  );
});
