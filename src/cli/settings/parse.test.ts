import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attachCommand } from "../commands/attach.ts";
import { shareCommand } from "../commands/share.ts";
import { settingTables } from "./keys.ts";
import { parseSettings } from "./parse.ts";

const io = { out: () => {}, err: () => {}, env: {} };

const tables = settingTables([attachCommand, shareCommand].map((make) => make(io, () => {})));
const read = (text: string) => parseSettings(text, tables);

test("a full table is what the command line would have been", () => {
  const { tables: found, problems } = read(`
    [attach.work]
    where = ["alice@cardhost", "unix:/run/x"]
    mode = "0660"
    group = "cards"
    slots = 48
    strict = false
    pipelining = false
    socket = "/tmp/s"
    ssh = "ssh -F 'my file'"
    local = true
    first = ["A*", "B*"]
    [attach.one]
    where = "cardhost"
    [attach.here]
    local = true
    [share.lab]
    to = "bob@lab"
    readers = "Yubico*"
    wait = true
  `);
  expect(problems).toEqual([]);
  expect(found["attach"]?.get("work")).toEqual({
    targets: ["alice@cardhost", "unix:/run/x"],
    options: {
      mode: 0o660,
      group: "cards",
      slots: "48",
      strict: false,
      pipelining: false,
      socket: "/tmp/s",
      ssh: "ssh -F 'my file'",
      local: true,
      first: ["A*", "B*"],
    },
  });
  expect(found["attach"]?.get("here")).toEqual({ targets: [], options: { local: true } });
  expect(found["attach"]?.get("one")).toEqual({ targets: ["cardhost"], options: {} });
  expect(found["share"]?.get("lab")).toEqual({
    targets: ["bob@lab"],
    options: { reader: ["Yubico*"], wait: true },
  });
});

test("about one call only, so nothing for a file: --json and --verbose", () => {
  const { problems } = read('[attach.a]\nwhere = "h"\njson = true\nverbose = true\n');
  expect(problems.map(({ path }) => path.at(-1))).toEqual(["json", "verbose"]);
});

describe("what is wrong is said with its place and its remedy", () => {
  const inWork = (line: string): string => `[attach.work]\nwhere = "h"\n${line}\n`;

  test.each([
    [inWork('mod = "0660"'), "3:1", 'attach has no setting "mod"', "did you mean mode?"],
    [inWork("purpose = 1"), "3:1", 'no setting "purpose"', "there are where, "],
    [inWork('mode = "9"'), "3:1", 'mode cannot be "9"', "octal mode, such as 0660"],
    [inWork("mode = 0o660"), "3:1", "mode cannot be 432", "text in quotation marks"],
    [inWork("slots = 17"), "3:1", 'slots cannot be "17"', "allowed choices are 16, 48"],
    [inWork('strict = "yes"'), "3:1", 'strict cannot be "yes"', "true or false"],
    [inWork('socket = "s"'), "3:1", 'socket cannot be "s"', "begins with / or ~/"],
    [inWork('name = "a b"'), "3:1", '"a b" cannot be the name', "Use letters"],
    [inWork(`ssh = "ssh 'x"`), "3:1", "quotation mark is unfinished", "as in a shell"],
    ['[attach.work]\nwhere = ["h", 5]\n', "2:15", "where cannot be 5", "quotation marks"],
    ['[attach.work]\nwhere = "ftp://h"\n', "2:1", "nothing is known of ftp:", "unix:PATH"],
    ["[attach.work]\nwhere = []\n", "2:1", "where cannot be []", "at least one"],
    ["[attach.work]\nlocal = false\n", "1:9", '"where" is missing', "say which host"],
    ['[attach.work]\nname = "w"\n', "1:9", '"where" is missing', 'where = "[user@]host"'],
    ['[share.lab]\nto = ["a", "b"]\n', "2:1", 'to cannot be ["a","b"]', "quotation marks"],
    ['[atach.work]\nwhere = "h"\n', "1:2", 'nothing called "atach"', "did you mean attach?"],
    ['[attach]\nwhere = "h"\n', "2:1", 'attach."where" is no table', "[attach.NAME]"],
    ["attach = 5\n", "1:1", "attach is no table", "[attach.NAME]"],
    ['[attach."a b"]\nwhere = "h"\n', "1:9", '"a b" cannot be a name', "use letters"],
    ["[attach.work]\nmode = 0660\n", "2:8", "not TOML", "toml.io"],
    ["[attach.work\n", "1:13", "not TOML", "toml.io"],
  ])("%j", (text, at, problem, remedy) => {
    const { problems } = read(text);
    expect(problems).toHaveLength(1);
    expect(`${problems[0]?.line}:${problems[0]?.column}`).toBe(at);
    expect(problems[0]?.problem).toContain(problem);
    expect(problems[0]?.remedy).toContain(remedy);
  });

  test("all mistakes are told, in the order of the file; what is right stays right", () => {
    const { problems, tables: found } = read(`[attach.bad]
mod = 1
slots = 1
[attach.good]
where = "h"
[oops]
[attach.bad2]
where = 1
more = 2
`);
    expect(problems.map(({ line }) => line)).toEqual([1, 2, 3, 6, 8, 9]);
    expect([...(found["attach"]?.keys() ?? [])]).toEqual(["good"]);
  });

  test("what a terminal must not see is not shown", () => {
    const { problems } = read(
      '[attach.a]\nwhere = "h"\nmode = "\\u001b[31m"\n"\\u0007" = 1\nssh = "\\u001b \'"\n',
    );
    expect(problems).toHaveLength(3);
    expect(problems.map(({ problem }) => problem).join("")).not.toMatch(/\p{C}/u);
  });
});

test("no text makes it throw", () => {
  const pieces = fc.constantFrom(
    ...Array.from("[]{}=.,\"'#\n a1"),
    "attach",
    "share.x",
    "where",
    "local",
    "true",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 4 }))), (words) => {
      expect(read(words.join("")).problems).toBeInstanceOf(Array);
    }),
    { numRuns: 500 },
  );
});
