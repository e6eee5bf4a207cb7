import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("a step that may not be now costs nothing, if it is only tried", () => {
  const pace = new Pace(10, { burstMs: 200 });
  const tries = Array.from({ length: 1_000 }, () => pace.tryStep(5_000));
  expect(tries.filter(Boolean)).toHaveLength(3);
  expect([5_050, 5_100, 5_150].map((now) => pace.tryStep(now))).toEqual([false, true, false]);
});

test("after a rest a second's worth is free, and then each step has its time", () => {
  const pace = new Pace(10);
  const waits = Array.from({ length: 13 }, () => pace.step(5_000));
  expect(waits.slice(0, 11)).toEqual(Array.from({ length: 11 }, () => 0));
  expect(waits.slice(11)).toEqual([100, 200]);
  expect(pace.isRested(5_000)).toBe(false);
  expect(pace.step(5_300)).toBe(0);
  expect(pace.isRested(9_000)).toBe(true);
});
