import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Turns } from "./turns.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Calls on one handle, of which the first takes long. */
function callsOf(turns: Turns, isEarly: boolean) {
  const begun: number[] = [];
  const first = deferred();
  const calls = Array.from({ length: 64 }, (_, n) =>
    turns.take(
      async () => {
        begun.push(n);
        if (n === 0) await first.promise;
      },
      { isEarly },
    ),
  );
  const reasons = Promise.allSettled(calls.slice(1)).then((all) =>
    all.map((one) => (one.status === "rejected" ? one.reason : undefined)),
  );
  const last = turns.last(async () => void begun.push(-1), first.resolve);
  return { begun, first, last, reasons };
}

test("what a program believed done is carried out when it is gone, before the last", async () => {
  const { begun, first, last } = callsOf(new Turns(), true);
  first.resolve();
  await last;
  expect(begun).toEqual([...Array.from({ length: 64 }, (_, n) => n), -1]);
});

test.each([
  ["what it believed done, once that takes too long", true, 1_001],
  ["what it waits for, at once", false, 0],
])("when its program is gone, no more begins of %s", async (_, isEarly, ms) => {
  const { begun, last, reasons } = callsOf(new Turns(), isEarly);
  await vi.advanceTimersByTimeAsync(ms);
  await last;
  expect(begun).toEqual([0, -1]);
  // A link may end with thousands of calls, and an error with a stack for each takes longest.
  const [reason, ...others] = new Set(await reasons);
  expect(reason).toMatchObject({ rv: Rv.Cancelled });
  expect(others).toEqual([]);
});
