import { expect, test } from "vitest";
import { judgeNode } from "./node.ts";

test.each([
  ["18.20.4", "node-old fault"],
  ["20.18.1", "node-old fault"],
  ["20.19.0", "node good"],
  ["24.1.0", "node good"],
])("Node.js %s", (version, expected) => {
  const found = judgeNode({ version, koffi: true });
  expect(found.map(({ check, level }) => `${check} ${level}`)).toEqual([expected]);
});

test("koffi is missed, not needed", () => {
  const found = judgeNode({ version: "22.1.0", koffi: false });
  expect(found.at(-1)).toMatchObject({ check: "koffi-missing", level: "note" });
});
