import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { serveCommand } from "../commands/serve.ts";
import { settingTables } from "./keys.ts";
import { parseSettings } from "./parse.ts";

const io = { out: () => {}, err: () => {}, env: {} };
const tables = settingTables([
  serveCommand(
    io,
    () => {},
    () => tables,
  ),
]);

function parsePolicy(text: string) {
  const { serve, problems } = parseSettings(text, tables);
  const ours = problems.filter(({ path: [top = "serve"] }) => top === "serve");
  return { rules: serve?.rules, problems: ours };
}

const hex = (text: string): Uint8Array => Buffer.from(text, "hex");

test("rules and groups are what the file says, in its order", () => {
  const { rules, problems } = parsePolicy(`
[attach.work]
where = 5

[serve.groups]
staff = ["alice", "b*"]
guests = "carol"

[[serve.rule]]
comment = "no card management from outside"
verdict = "deny"
groups = ["staff", "guests"]
readers = "Yubi*"
atr = ["3BFD13*", "3b 8e/ff f0"]
serial = "12345678"
aid = "A000000308*"
cla = "80/f0"
ins = [0x47, "DB", "20/fe"]
p1 = 0

[[serve.rule]]
verdict = "allow"
identities = "alice"
aid = ["D2760001240102000006000000010000"]
`);
  expect(problems).toEqual([]);
  expect(rules?.groups).toEqual(
    new Map([
      ["staff", ["alice", "b*"]],
      ["guests", ["carol"]],
    ]),
  );
  expect(rules?.rules).toEqual([
    {
      name: "rule 1",
      comment: "no card management from outside",
      verdict: "deny",
      groups: ["staff", "guests"],
      readers: ["Yubi*"],
      atrs: [
        { bytes: hex("3bfd13"), isPrefix: true },
        { bytes: hex("3b8e"), mask: hex("fff0"), isPrefix: false },
      ],
      serials: ["12345678"],
      aids: [{ bytes: hex("a000000308"), isPrefix: true }],
      cla: [{ value: 0x80, mask: 0xf0 }],
      ins: [
        { value: 0x47, mask: 0xff },
        { value: 0xdb, mask: 0xff },
        { value: 0x20, mask: 0xfe },
      ],
      p1: [{ value: 0, mask: 0xff }],
    },
    {
      name: "rule 2",
      verdict: "allow",
      identities: ["alice"],
      aids: [{ bytes: hex("d2760001240102000006000000010000"), isPrefix: false }],
    },
  ]);
});

test("without any there are none", () => {
  expect(parsePolicy("").rules).toEqual({ rules: [], groups: new Map() });
});

describe("what is wrong is said with its place and its remedy, and there are no rules then", () => {
  const rule = (line: string): string => `[[serve.rule]]\nverdict = "deny"\n${line}\n`;

  test.each([
    ["[[serve.rule]]\nins = 0x87\n", "1:9", '"verdict" is missing', 'verdict = "allow"'],
    [
      '[[serve.rule]]\nverdict = "maybe"\n',
      "2:1",
      'verdict cannot be "maybe"',
      '"allow" or "deny"',
    ],
    [rule("ins = 256"), "3:1", "ins cannot be 256", "it is a byte"],
    [rule('ins = ["87", "8"]'), "3:1", 'ins cannot be "8"', "it is a byte"],
    [rule('p2 = "80/f"'), "3:1", 'p2 cannot be "80/f"', "with a mask"],
    [rule("cla = []"), "3:1", "cla cannot be []", "it is a byte"],
    [rule('aid = "A00000030"'), "3:1", 'aid cannot be "A00000030"', "1 to 16 bytes"],
    [rule('aid = "*"'), "3:1", 'aid cannot be "*"', "1 to 16 bytes"],
    [rule(`aid = "${"a0".repeat(17)}"`), "3:1", "aid cannot be", "1 to 16 bytes"],
    [rule('atr = "3b/ffff"'), "3:1", 'atr cannot be "3b/ffff"', "VALUE/MASK"],
    [rule("identities = 5"), "3:1", "identities cannot be 5", "quotation marks"],
    [rule("comment = 5"), "3:1", "comment cannot be 5", "quotation marks"],
    [rule('reader = "x"'), "3:1", 'a rule has no setting "reader"', "did you mean readers?"],
    [rule('groups = "staff"'), "3:1", 'there is no group "staff"', "below [serve.groups]"],
    [
      `[serve.groups]\nstaff = "a"\n${rule('groups = "staf"')}`,
      "5:1",
      'no group "staf"',
      "did you mean staff?",
    ],
    ["[serve.groups]\nstaff = 5\n", "2:1", "staff cannot be 5", "quotation marks"],
    ["[serve]\ngroups = 5\n", "2:1", "serve.groups is no table", "[serve.groups]"],
    ["[serve]\nrule = 5\n", "2:1", "serve.rule is no list", "[[serve.rule]]"],
    [
      '[serve.rules]\nverdict = "deny"\n',
      "1:8",
      'serve has no setting "rules"',
      "did you mean rule?",
    ],
    ["serve = 5\n", "1:1", "serve is no table", "[[serve.rule]]"],
    ["[serve\n", "1:7", "not TOML", "toml.io"],
  ])("%j", (text, at, problem, remedy) => {
    const { rules, problems } = parsePolicy(text);
    expect(rules).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(`${problems[0]?.line}:${problems[0]?.column}`).toBe(at);
    expect(problems[0]?.problem).toContain(problem);
    expect(problems[0]?.remedy).toContain(remedy);
  });
});

test("no text makes it throw", () => {
  const pieces = fc.constantFrom(
    ..."[]{}=,\"'#\n a1*/".split(""),
    "[[serve.rule]]\n",
    "[serve.groups]\n",
    "verdict",
    "aid",
    "ins",
    '"deny"',
  );
  fc.assert(
    fc.property(fc.array(pieces), (words) => {
      expect(parsePolicy(words.join("")).problems).toBeInstanceOf(Array);
    }),
    { numRuns: 300 },
  );
});
