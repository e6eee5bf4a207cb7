import { expect, test } from "vitest";
import { Bursts } from "./bursts.ts";

test("a burst is news once, and again after a pause", () => {
  const bursts = new Bursts();
  const at = (now: number) => bursts.begins("alice", now);
  expect([at(0), at(5_000), at(14_000), at(24_001)]).toEqual([true, false, false, true]);
  expect(bursts.begins("bob", 5_000)).toBe(true);
});

test("what is remembered is bounded", () => {
  const bursts = new Bursts();
  for (let n = 0; n < 10_000; n += 1) bursts.begins(`${n}`, 0);
  expect(bursts.begins("0", 1)).toBe(true);
  expect(bursts.begins("9999", 1)).toBe(false);
});
