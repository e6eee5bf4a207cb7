import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Repeats } from "./repeats.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const repeats = () => {
  const told: object[] = [];
  const tell = (what: object) => void told.push(what);
  return { told, kept: new Repeats<object>({ tell, few: 3, others: { what: "others" } }) };
};

test("of things alike a few are told, and then how many there were", () => {
  const { told, kept } = repeats();
  for (let n = 0; n < 1_000; n += 1) kept.note({ what: "refused", n }, "refused");
  kept.note({ what: "other" }, "other");
  expect(told).toEqual([
    { what: "refused", n: 0 },
    { what: "refused", n: 1 },
    { what: "refused", n: 2 },
    { what: "other" },
  ]);
  vi.advanceTimersByTime(10_000);
  expect(told.slice(4)).toEqual([{ what: "refused", n: 999, times: 997 }]);
});

test("while it goes on there is one line for each ten seconds, and then it is news again", () => {
  const { told, kept } = repeats();
  for (let second = 0; second < 60; second += 1) {
    for (let n = 0; n < 100; n += 1) kept.note({ second }, "a");
    vi.advanceTimersByTime(1_000);
  }
  expect(told).toHaveLength(3 + 6);
  vi.advanceTimersByTime(20_000);
  kept.note({ second: 80 }, "a");
  expect(told.at(-1)).toEqual({ second: 80 });
});

test("however many kinds there are, they are bounded, and none is lost", async () => {
  const { told, kept } = repeats();
  for (let n = 0; n < 50_000; n += 1) kept.note({ what: n }, `kind ${n}`);
  expect(told).toHaveLength(1_024);
  await kept[Symbol.asyncDispose]();
  expect(told.slice(1_024)).toEqual([{ what: "others", times: 50_000 - 1_024 }]);
  kept.note({ what: "late" }, "late");
  expect(told.at(-1)).toEqual({ what: "late" });
});
