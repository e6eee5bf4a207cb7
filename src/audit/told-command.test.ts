import * as fc from "fast-check";
import { expect, test } from "vitest";
import { tellCommand, tellStatusWord } from "./told-command.ts";

const told = (hex: string) => tellCommand(Buffer.from(hex, "hex"));

test("a command is told by its name and header, never by its data", () => {
  expect(told("0020008008313233343536ffff")).toEqual({
    command: "VERIFY",
    header: "00200080",
    sent: 13,
  });
  expect(told("10db3fff0a5c035fc1055303010203")).toEqual({
    command: "PUT DATA",
    header: "10db3fff",
    sent: 15,
  });
  expect(told("8050000008aabbccddeeff0011")).toMatchObject({ command: "INITIALIZE UPDATE" });
});

test.each([
  ["the digits of a PIN, sent as a command", "313233343536"],
  ["a VERIFY whose length is wrong", "0020008009313233343536ff"],
  ["a command that no standard names", "00f9000004deadbeef"],
  ["less than a header", "0020"],
  ["a PIN block of format 2, whose class is reserved", "241234ff"],
  ["a command to the reader", "ffca000000"],
  ["a password whose letters would be a command", "4b702061"],
])("of %s only the length is told", (_, hex) => {
  expect(told(hex)).toEqual({ sent: hex.length / 2 });
});

test("property: no byte behind the header is told, whatever the bytes are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const { header = "" } = tellCommand(bytes);
      expect(header.length).toBeLessThanOrEqual(8);
      expect(Buffer.from(bytes).toString("hex").startsWith(header)).toBe(true);
    }),
  );
});

test("a status word is the last two bytes", () => {
  expect(tellStatusWord(Buffer.from("aabb9000", "hex"))).toBe("9000");
  expect(tellStatusWord(Buffer.from("90", "hex"))).toBeUndefined();
});
