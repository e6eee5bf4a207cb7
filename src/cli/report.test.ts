import { readerJson } from "../domain/reader-json.ts";
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { Reader } from "../domain/card-service.ts";
import { ReaderStateBit } from "../domain/pcsc.ts";
import { exportLine, printableLines, readersTable } from "./report.ts";

const reader = (name: string, more: Partial<Reader> = {}): Reader => ({
  name,
  stateBits: ReaderStateBit.Absent,
  sharing: 0,
  protocol: 0,
  eventCounter: 0,
  ...more,
});
const atr = Buffer.from("3b80800101", "hex");
const present = { atr, stateBits: ReaderStateBit.Present };

test.each([
  "/run/user/1000/cardwire/host/pcscd.comm",
  '/tmp/with blank/it\'s $HOME `id` "q" \\ ; & # ! *',
  "/tmp/zeile\nzwei",
  "/tmp/schön",
])("a shell reads the export line of %j back", (path) => {
  const script = `${exportLine(path)}\nprintf %s "$PCSCLITE_CSOCK_NAME"`;
  expect(execFileSync("sh", ["-c", script], { encoding: "utf8" })).toBe(path);
});

test("the plain path is not quoted", () => {
  expect(exportLine("/run/a-b_c.comm")).toBe("export PCSCLITE_CSOCK_NAME=/run/a-b_c.comm");
});

test("the table has a line each", () => {
  const readers = [
    reader("Reader A 00 00", present),
    reader("B"),
    reader("C", { ...present, sharing: 2 }),
    reader("D", { ...present, sharing: -1 }),
    reader("E", { stateBits: ReaderStateBit.Present | ReaderStateBit.Swallowed }),
    reader("F", { stateBits: ReaderStateBit.Unknown }),
    reader("a \u001b[31mname"),
  ];
  expect(readersTable(readers, ["READER", "STATE", "ATR"]).split("\n")).toEqual([
    "READER          STATE                      ATR",
    "Reader A 00 00  card                       3B 80 80 01 01",
    "B               empty",
    "C               card, in use               3B 80 80 01 01",
    "D               card, held by one program  3B 80 80 01 01",
    "E               card that does not answer",
    "F               not available",
    // What a terminal would obey is not shown to it.
    "a ?[31mname     empty",
  ]);
});

test("a reader as JSON", () => {
  expect(readerJson(reader("R", { ...present, sharing: -1, eventCounter: 3 }))).toEqual({
    reader: "R",
    state: "card",
    atr: "3b80800101",
    inUse: true,
    exclusive: true,
    eventCounter: 3,
  });
  expect(readerJson(reader("R"))).not.toHaveProperty("atr");
});

test("a text of several lines keeps its lines, and nothing else that a terminal obeys", () => {
  expect(printableLines("one\ntwo\u001b[2J\r\u0007\u202e")).toBe("one\ntwo?[2J???");
});
