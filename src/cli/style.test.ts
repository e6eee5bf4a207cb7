import { expect, test } from "vitest";
import { styled } from "./style.ts";

const terminal = { env: { TERM: "xterm" }, isTerminal: { out: true, err: true } };

test("colour goes to a terminal", () => {
  expect(styled(terminal).red("no")).toBe("\u001b[31mno\u001b[39m");
  expect(styled(terminal).bold("head")).toBe("\u001b[1mhead\u001b[22m");
});

test.each([
  ["a pipe", { ...terminal, isTerminal: { out: false, err: true } }, {}],
  ["something unknown", { env: {} }, {}],
  ["NO_COLOR", { ...terminal, env: { TERM: "xterm", NO_COLOR: "1" } }, {}],
  ["a terminal that cannot show it", { ...terminal, env: { TERM: "dumb" } }, {}],
  ["--json", terminal, { json: true }],
  [
    "the other stream",
    { ...terminal, isTerminal: { out: true, err: false } },
    { to: "err" as const },
  ],
])("none for %s", (_what, io, options) => {
  const style = styled(io, options);
  expect([style.red("no"), style.dim("x"), style.green("y")]).toEqual(["no", "x", "y"]);
});

test("an empty NO_COLOR says nothing, as no-color.org has it", () => {
  expect(styled({ ...terminal, env: { NO_COLOR: "" } }).red("no")).not.toBe("no");
});
