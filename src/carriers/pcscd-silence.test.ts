import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { polkitRule, refused } from "./pcscd-silence.ts";

type Rule = (action: { id: string }, subject: { user: string }) => string | undefined;

/** What polkitd makes of a file: its rules, and YES for yes. */
function rulesOf(text: string): readonly Rule[] {
  const rules: Rule[] = [];
  const polkit = { addRule: (rule: Rule) => void rules.push(rule), Result: { YES: "yes" } };
  runInNewContext(text, { polkit });
  return rules;
}

const PCSC = "org.debian.pcsc-lite.access_pcsc";
const CARD = "org.debian.pcsc-lite.access_card";

describe("the polkit rule", () => {
  const [rule] = rulesOf(polkitRule("bob"));

  test.each([
    [PCSC, "bob", "yes"],
    [CARD, "bob", "yes"],
    [PCSC, "carol", undefined],
    ["org.freedesktop.login1.reboot", "bob", undefined],
  ])("%s for %s: %s", (id, user, expected) => {
    expect(rule?.({ id }, { user })).toBe(expected);
  });

  test("is the one that the package brings as a file", () => {
    const file = readFileSync("templates/polkit/50-cardwire.rules", "utf8");
    const code = file.replaceAll(/^\/\/.*\n/gm, "").trim();
    expect(code).toBe(polkitRule("cardwire"));
  });

  // Duktape, which runs rules from polkit 121 on, drops the whole file for one arrow function.
  test("is JavaScript of 2009", () => {
    expect(polkitRule("bob")).not.toMatch(/=>|\b(?:let|const|includes)\b|`/);
  });

  test("keeps a strange name a name", () => {
    const name = 'x"; evil(); "';
    expect(rulesOf(polkitRule(name))[0]?.({ id: PCSC }, { user: name })).toBe("yes");
  });
});

test("where polkit cannot be the reason, no rule is shown", () => {
  const place = { place: "cardhost", socket: "/run/pcscd/pcscd.comm" };
  expect(refused(place, { user: "bob", polkit: true }).hint).toContain('subject.user === "bob"');
  expect(refused(place, { user: "root", polkit: false }).hint).not.toContain("polkit");
});
