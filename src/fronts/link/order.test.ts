import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import { ReaderOrder } from "./order.ts";

const NAME = "Reader 00 00";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A connect of one handle that nobody waits for, and what another's calls have to wait for. */
function connecting() {
  const order = new ReaderOrder();
  const [card, other] = [1, 2];
  const over = deferred();
  const done = order.connecting(card, () => over.promise)();
  order.add(NAME, card, done);
  /** What is free to begin so far. @param waits whether it would wait in pcscd as well. */
  const later = (waits: boolean) => {
    const state = { isFree: false };
    void (order.before(NAME, other, waits) ?? Promise.resolve()).then(() => {
      state.isFree = true;
    });
    return state;
  };
  return { order, card, other, over, later };
}

test("a connect comes before what others do", async () => {
  const { order, card, other, over, later } = connecting();
  expect(order.before(NAME, card, false)).toBeUndefined();
  expect(order.before("another", other, false)).toBeUndefined();
  const calls = [later(false), later(true)];
  await vi.advanceTimersByTimeAsync(50);
  expect(calls.map(({ isFree }) => isFree)).toEqual([false, false]);
  over.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(calls.map(({ isFree }) => isFree)).toEqual([true, true]);
});

test("one that waits is passed, with what waits behind it, by what would not wait", async () => {
  const { order, card, over, later } = connecting();
  const begun = deferred();
  order.add(NAME, card, begun.promise);
  await vi.advanceTimersByTimeAsync(500);
  const calls = [later(false), later(true)];
  await vi.advanceTimersByTimeAsync(0);
  expect(calls.map(({ isFree }) => isFree)).toEqual([true, false]);
  over.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(calls[1]?.isFree).toBe(false);
  begun.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(calls[1]?.isFree).toBe(true);
});

test("what its handle does once it is over comes first again", async () => {
  const { order, card, over, later } = connecting();
  await vi.advanceTimersByTimeAsync(500);
  over.resolve();
  await vi.advanceTimersByTimeAsync(0);
  const begun = deferred();
  order.add(NAME, card, begun.promise);
  const call = later(false);
  await vi.advanceTimersByTimeAsync(500);
  expect(call.isFree).toBe(false);
  begun.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(call.isFree).toBe(true);
});

test("one call more takes no longer, however many wait", async () => {
  vi.useRealTimers();
  const order = new ReaderOrder();
  const over = deferred();
  const start = performance.now();
  const waiting = Array.from({ length: 5_000 }, async (_, n) => {
    const before = order.before(NAME, n % 100, false);
    order.add(NAME, n % 100, over.promise);
    await before;
  });
  expect(performance.now() - start).toBeLessThan(500);
  over.resolve();
  await Promise.all(waiting);
  expect(order.before(NAME, 100, true)).toBeUndefined();
});
