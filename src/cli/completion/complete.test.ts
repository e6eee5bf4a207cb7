import { Command, Option } from "@commander-js/extra-typings";
import { describe, expect, test } from "vitest";
import { program } from "../program.ts";
import { complete } from "./complete.ts";
import { interpret } from "./interpret.ts";

const top = program(
  { out: () => {}, err: () => {}, env: {} },
  { version: "1", rest: [], setExit: () => {}, withReaders: async () => {} },
);

/** The words that are offered, without their meanings, and the last line. */
async function offered(words: readonly string[], { shell = "zsh", of = top } = {}) {
  const lines: string[] = [];
  const io = { out: (text: string) => void lines.push(...text.split("\n")), env: {} };
  await complete([shell, ...words], { io, top: of });
  return lines.map((line) => line.split("\t")[0] ?? "");
}

describe("what is offered", () => {
  test.each<[string[], string[]]>([
    [["at"], ["attach", ":done"]],
    [
      ["attach", "--slots", ""],
      ["16", "48", ":done"],
    ],
    [["attach", "--slots=", ""].slice(0, 2), ["--slots=16", "--slots=48", ":done"]],
    [
      ["attach", "--mode", "06"],
      ["0600", "0660", "0666", ":done"],
    ],
    [["attach", "--socket", "/x"], [":files 0"]],
    [["attach", "--socket=/x"], [":files 9"]],
    [["readers", "unix:/x"], [":files 5"]],
    [["attach", "--name", ""], [":done"]],
    [
      ["config", ""],
      ["check", "path", "help", ":done"],
    ],
    [
      ["config", "check", "--j"],
      ["--json", ":done"],
    ],
    [["run", "host", "--", "ls", "-l", ""], [":program 3"]],
    [["lease", "--wait", "reader", "--", "ls", ""], [":program 4"]],
    [["run", "--ssh", "x", "host", "--", ""], [":program 5"]],
    [["env", "a", ""], [":done"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish", ":done"],
    ],
    [["nothing", "here", ""], [":done"]],
  ])("for %j", async (words, expected) => {
    expect(await offered(words)).toEqual(expected);
  });

  test("an option once, unless it may be repeated", async () => {
    const left = await offered(["share", "--reader", "a*", "--json", "--"]);
    expect(left).toContain("--reader");
    expect(left).not.toContain("--json");
    expect(left).toContain("--help");
  });

  test("what is hidden from help is not offered", async () => {
    const own = new Command("own").addCommand(new Command("seen"));
    own.addCommand(new Command("unseen"), { hidden: true });
    own.addOption(new Option("--unseen").hideHelp());
    expect(await offered([""], { of: own })).toEqual(["seen", "help", ":done"]);
    expect(await offered(["--"], { of: own })).toEqual(["--help", ":done"]);
  });

  test("nothing makes it fail", async () => {
    for (const words of [[], [""], ["--"], ["-"], ["attach", "--", "--"], ["run", "--"], ["\0"]])
      expect((await offered(words)).at(-1)).toMatch(/^:/);
  });
});

describe("bash's words come as they were typed", () => {
  test.each([
    ["'ssh -F x'", "ssh -F x"],
    ['"ssh -F x"', "ssh -F x"],
    ["ssh\\ -F\\ x", "ssh -F x"],
  ])("%s", async (typed) => {
    expect(await offered(["attach", "--ssh", typed, "--slo"], { shell: "bash" })).toEqual([
      "--slots",
      ":done",
    ]);
  });

  test("one that is not finished", async () => {
    expect(await offered(["'att"], { shell: "bash" })).toEqual(["attach", ":done"]);
  });
});

test("a line is understood as commander will", () => {
  const line = interpret(top, ["attach", "--name=n", "--strict", "--mode", "0600", "h", "-"]);
  expect(line.command.name()).toBe("attach");
  expect(Object.fromEntries(line.options)).toEqual({ name: "n", strict: undefined, mode: "0600" });
  expect(line.positional).toEqual(["h"]);
  expect(line.wanted).toEqual({ kind: "option" });
});
