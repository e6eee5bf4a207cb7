import { describe, expect, test } from "vitest";
import { attachmentName, parseSources } from "./sources.ts";

const labels = (wheres: readonly string[], local = false) =>
  parseSources(wheres, { local }).map(({ label }) => label);

describe("parseSources", () => {
  test.each([
    [["alice", "bob"], false, ["alice", "bob"]],
    [["me@alice", "ssh://you@bob.example:2222"], true, ["alice", "bob.example", "local"]],
    [[], true, ["local"]],
    [["alice", "unix:/tmp/other.comm"], false, ["alice", "/tmp/other.comm"]],
    // The same host twice: the whole destination tells them apart, and only them.
    [["me@alice", "you@alice", "bob"], false, ["me@alice", "you@alice", "bob"]],
    [["ssh://alice:22", "ssh://alice:2222"], false, ["ssh://alice:22", "ssh://alice:2222"]],
    [["alice", "ssh://alice"], false, ["alice", "ssh://alice"]],
    [["local"], true, ["local", "unix:/run/pcscd/pcscd.comm"]],
  ])("%j, --local %j: %j", (wheres, local, expected) => {
    expect(labels(wheres, local)).toEqual(expected);
  });

  test.each([
    [["a", "b", "a"], false],
    [["unix:/run/pcscd/pcscd.comm"], true],
    [["unix:/tmp/a", "unix:///tmp/a"], false],
    [[], false],
  ])("%j, --local %j is wrong usage", (wheres, local) => {
    expect(() => labels(wheres, local)).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  });

  test("keeps what was typed, and the order", () => {
    const sources = parseSources(["ssh://b", "a"], { local: true });
    expect(sources.map(({ text }) => text)).toEqual(["ssh://b", "a", "local"]);
    expect(sources[2]?.where).toEqual({ kind: "unix", path: "/run/pcscd/pcscd.comm" });
  });
});

test.each([
  [["me@alice"], false, "alice"],
  [["alice", "bob.example"], true, "alice-bob.example-local"],
  [["h".repeat(30), "i".repeat(30)], false, `${"h".repeat(30)}-${"i".repeat(9)}`],
])("an attachment to %j, --local %j is called %s", (wheres, local, name) => {
  expect(attachmentName(parseSources(wheres, { local }))).toBe(name);
});
