import { expect, test } from "vitest";
import { finding } from "../doctor/finding.ts";
import { findingsText, summary } from "./doctor-report.ts";
import { styled } from "./style.ts";

const findings = [
  finding("node", "good", "Node.js is 22.1.0"),
  finding("pcscd-silent", "fault", "pcscd does not \u001b[31manswer", ["# there:", "sudo restart"]),
  finding("variable-unset", "warning", "not set", 'eval "$(cardwire env)"'),
];
const plain = styled({ env: {} });

test("faults and remedies stand under their group, in the groups' order", () => {
  expect(findingsText(findings, { verbose: false, style: plain })).toBe(
    `pcscd
  FAULT    pcscd does not ?[31manswer [pcscd-silent]
             # there:
             sudo restart

environment of programs here
  warning  not set [variable-unset]
             eval "$(cardwire env)"

cardwire itself
  ok       Node.js is 22.1.0`,
  );
});

test("-v says what each means", () => {
  const text = findingsText(findings, { verbose: true, style: plain });
  expect(text).toContain(
    "  ok       Node.js is 22.1.0 [node]\n             Node.js is 20.19 or later.",
  );
});

test("a terminal gets colour", () => {
  const style = styled({ env: { TERM: "xterm" }, isTerminal: { out: true, err: true } });
  expect(findingsText(findings, { verbose: false, style })).toContain("\u001b[31mFAULT");
});

test("the last line counts", () => {
  expect(summary(findings)).toBe("1 fault, 1 warning.");
  expect(summary(findings.slice(0, 1))).toBe("No faults.");
});
