import { expect, test } from "vitest";
import { withDefaults } from "./with-defaults.ts";

test("what is not said is as for everybody, and is made once", () => {
  let own: Partial<{ a: number; b: number }> = { a: 5 };
  const of = withDefaults({ a: 1, b: 2 }, (name) => (name === "alice" ? own : {}));
  expect(of("alice")).toEqual({ a: 5, b: 2 });
  expect(of("alice")).toBe(of("alice"));
  expect(of("bob")).toEqual({ a: 1, b: 2 });
  own = { b: 7 };
  expect(of("alice")).toEqual({ a: 1, b: 7 });
});
