import { expect, test } from "vitest";
import { nameOf, parseWhere } from "./where.ts";

test.each([
  ["cardhost", { kind: "ssh", destination: "cardhost", host: "cardhost" }, "cardhost"],
  ["alice@cardhost", { kind: "ssh", destination: "alice@cardhost", host: "cardhost" }, "cardhost"],
  [
    "ssh://alice@card.example:2222",
    { kind: "ssh", destination: "ssh://alice@card.example:2222", host: "card.example" },
    "card.example",
  ],
  ["ssh://[::1]:22", { kind: "ssh", destination: "ssh://[::1]:22", host: "[::1]" }, "1-"],
  ["2001:db8::", { kind: "ssh", destination: "2001:db8::", host: "2001:db8::" }, "2001-db8--"],
  ["unix:/run/pcscd/pcscd.comm", { kind: "unix", path: "/run/pcscd/pcscd.comm" }, "local"],
  ["cardwire://cardhost", { kind: "cardwire", host: "cardhost" }, "cardhost"],
  ["cardwire://cardhost:7816/", { kind: "cardwire", host: "cardhost", port: 7816 }, "cardhost"],
  ["cardwire://[2001:db8::7]", { kind: "cardwire", host: "2001:db8::7" }, "2001-db8--7"],
  [
    "cardwire://[2001:db8::7]:99",
    { kind: "cardwire", host: "2001:db8::7", port: 99 },
    "2001-db8--7",
  ],
  ["software:", { kind: "software" }, "software"],
  ["demo:", { kind: "demo" }, "demo"],
  ["unix:///run/pcscd/pcscd.comm", { kind: "unix", path: "/run/pcscd/pcscd.comm" }, "local"],
])("%s", (text, where, name) => {
  const parsed = parseWhere(text);
  expect(parsed).toEqual(where);
  expect(nameOf(parsed)).toBe(name);
});

test.each([
  "",
  "-v",
  "a b",
  "alice@",
  "ssh://",
  "ftp://host",
  "unix:relative",
  "host\n",
  "demo:x",
  "software:35963",
  "Demo:",
  "ssh://host:",
  "nats:",
  "cardwire:",
  "cardwire://",
  "cardwire://alice@host",
  "cardwire://host:0",
  "cardwire://host:65536",
  "cardwire://2001:db8::7",
  "cardwire://host/path",
])("%j is refused, with what there is", (text) => {
  expect(() => parseWhere(text)).toThrow(
    expect.objectContaining({ code: "E_WHERE", hint: expect.stringContaining("unix:PATH") }),
  );
});

test("a port without its scheme is told how it is written", () => {
  expect(() => parseWhere("alice@host:2222")).toThrow("ssh://alice@host:2222");
});
