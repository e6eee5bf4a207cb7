import { expect, test } from "vitest";
import { backOffMs } from "./back-off.ts";

test.each([
  [0, 250],
  [1, 500],
  [6, 16_000],
  [7, 30_000],
  [2_000, 30_000],
])("try %i waits %i ms, give or take a quarter", (attempt, ms) => {
  expect(backOffMs(attempt, 0.5)).toBe(ms);
  expect(backOffMs(attempt, 0)).toBe(ms * 0.75);
  expect(backOffMs(attempt, 1)).toBe(ms * 1.25);
});
