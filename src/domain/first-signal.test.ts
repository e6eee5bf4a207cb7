import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { firstSignal } from "./first-signal.ts";

test("aborts with the first of its sources, and with its reason", () => {
  const [one, other] = [new AbortController(), new AbortController()];
  using first = firstSignal(one.signal, other.signal);
  expect(first.signal.aborted).toBe(false);
  other.abort("late");
  one.abort("later");
  expect(first.signal.reason).toBe("late");
});

test("is aborted at once where a source is", () => {
  using first = firstSignal(AbortSignal.abort("before"));
  expect(first.signal.reason).toBe("before");
});

test("leaves nothing on its sources once it is disposed", () => {
  const source = new AbortController();
  const first = firstSignal(source.signal);
  first[Symbol.dispose]();
  expect(getEventListeners(source.signal, "abort")).toEqual([]);
  source.abort();
  expect(first.signal.aborted).toBe(false);
});
