import { expect, test } from "vitest";
import type { Rules } from "../services/policy/rule.ts";
import { testPolicy } from "./policy-test.ts";

const rules: Rules = {
  groups: new Map([["staff", ["al*"]]]),
  rules: [
    {
      name: "rule 1",
      verdict: "deny",
      groups: ["staff"],
      readers: ["Yubi*"],
      aids: [{ bytes: Buffer.from("a000000308", "hex"), isPrefix: true }],
      ins: [{ value: 0x87, mask: 0xff }],
      p2: [{ value: 0x9c, mask: 0xff }],
      comment: "no signatures",
    },
  ],
};

async function run(commands: readonly string[], more: object = {}): Promise<readonly string[]> {
  const lines: string[] = [];
  const print = (text: string) => void lines.push(...text.split("\n"));
  const io = { out: print, err: print, env: {} };
  const options = { as: "alice", profile: "use", reader: "Yubico 00 00", ...more } as const;
  testPolicy(commands, options, { io, rules });
  return lines;
}

const PIV = "00A4 04 00:05 a000000308";

test("judges one command after the other, and says why", async () => {
  expect(
    await run([PIV, "0087119c", "0087119a", "0020008008313233343536ffff", "00db3fff"]),
  ).toEqual([
    "allowed  00a40400 + 6  SELECT: allowed by the profile use",
    "denied   0087119c      GENERAL AUTHENTICATE: denied by rule 1 (no signatures)",
    "allowed  0087119a      GENERAL AUTHENTICATE: allowed by the profile use",
    "allowed  00200080 + 9  VERIFY: allowed by the profile use",
    "denied   00db3fff      PUT DATA: denied by the profile use; it takes the profile manage, or a rule",
  ]);
});

test.each([
  [{ as: "bob" }, "allowed"],
  [{ reader: undefined }, "allowed"],
  [{ reader: "Other" }, "allowed"],
  [{}, "denied"],
  [{ profile: "manage" }, "denied"],
])("%j", async (more, verdict) => {
  expect((await run([PIV, "0087119c"], more))[1]).toMatch(new RegExp(`^${verdict}`));
});

test("tells scripts", async () => {
  const [line = ""] = await run(["0087119c"], { json: true });
  expect(JSON.parse(line)).toEqual({
    command: "0087119c",
    allowed: false,
    is: "GENERAL AUTHENTICATE that may be external or mutual",
    takes: "manage",
    by: "rule",
    rule: "rule 1",
    explanation:
      "GENERAL AUTHENTICATE that may be external or mutual: denied by rule 1 (no signatures)",
  });
});

test("wants hexadecimal", async () => {
  await expect(run(["00a4\u001b[31m"])).rejects.toMatchObject({
    code: "E_USAGE",
    message: "a command is not in hexadecimal: 00a4?[31m",
  });
  await expect(run(["00a"])).rejects.toMatchObject({ code: "E_USAGE" });
});
