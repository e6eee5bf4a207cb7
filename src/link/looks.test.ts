import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LOOK_MS, lookRegularly } from "./looks.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("each looks once a second until it stops; a hundred share one timer, which ends with the last of them", () => {
  const counts = Array.from({ length: 1_000 }, () => 0);
  const stops = counts.map((_, at) =>
    lookRegularly(() => {
      counts[at] = (counts[at] ?? 0) + 1;
    }),
  );
  expect(vi.getTimerCount()).toBe(10);
  vi.advanceTimersByTime(3 * LOOK_MS);
  expect(new Set(counts)).toEqual(new Set([3]));
  for (const stop of stops.slice(1)) {
    stop();
    stop(); // the second time does nothing
  }
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(LOOK_MS);
  expect(counts.slice(0, 3)).toEqual([4, 3, 3]);
  stops[0]?.();
  expect(vi.getTimerCount()).toBe(0);
});

test("one that stops while they look keeps none of the others from looking", () => {
  let looked = 0;
  const stop = lookRegularly(() => stop());
  const stopOther = lookRegularly(() => {
    looked += 1;
  });
  vi.advanceTimersByTime(2 * LOOK_MS);
  expect(looked).toBe(2);
  stopOther();
  expect(vi.getTimerCount()).toBe(0);
});
