import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import type { LinkedReader } from "../../wire/link/reader-list.ts";
import { ShownReaders } from "./shown-readers.ts";

const NAME = "Reader";
const counting = (sharing: number): readonly LinkedReader[] => [
  { name: NAME, stateBits: 0x34, sharing, protocol: 0, eventCounter: 1, othersMayHold: false },
];

/** Readers shared as the other end says, with a connect and a disconnect ahead of what it says. */
function shownAt(sharing: number) {
  const readers = new ShownReaders();
  readers.set(counting(sharing));
  const call = (handles: 1 | -1) => {
    const done = deferred();
    readers.expect({ reader: NAME, handles }, done.promise);
    return done;
  };
  return { readers, call, shown: () => readers.seen(NAME)?.sharing };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a handle is shown at once, and counted once when the list tells of it before or after the answer", async () => {
  for (const first of ["list", "answer"]) {
    const { readers, call, shown } = shownAt(0);
    const connect = call(1);
    expect(shown()).toBe(1);
    if (first === "list") readers.set(counting(1));
    connect.resolve();
    await vi.advanceTimersByTimeAsync(1);
    if (first === "answer") readers.set(counting(1));
    expect(shown()).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(shown()).toBe(1);
  }
});

test("one that is closed is not shown again while the list is late", async () => {
  const { readers, call, shown } = shownAt(1);
  call(-1).resolve();
  await vi.advanceTimersByTimeAsync(400);
  expect(shown()).toBe(0);
  readers.set(counting(0));
  await vi.advanceTimersByTimeAsync(400);
  expect(shown()).toBe(0);
});

test("a list that never tells of a handle is believed after a while", async () => {
  const { call, shown } = shownAt(1);
  call(-1).resolve();
  await vi.advanceTimersByTimeAsync(601);
  expect(shown()).toBe(1);
});

test("a reader that a handle of ours is open on is in use, whatever the list and the others do", async () => {
  const { readers, call, shown } = shownAt(1);
  readers.opened(NAME);
  call(1).resolve();
  readers.opened(NAME);
  await vi.advanceTimersByTimeAsync(300);
  call(-1).resolve();
  readers.closed(NAME);
  await vi.advanceTimersByTimeAsync(400);
  expect(shown()).toBe(1);
  readers.closed(NAME);
  readers.set(counting(0));
  expect(shown()).toBe(0);
});

test("what is refused is not shown any more", async () => {
  const { call, shown } = shownAt(0);
  call(1).reject(new Error("refused"));
  await vi.advanceTimersByTimeAsync(1);
  expect(shown()).toBe(0);
});

test("access that is exclusive tells nothing of handles", async () => {
  const { readers, call, shown } = shownAt(-1);
  call(-1).resolve();
  await vi.advanceTimersByTimeAsync(1);
  expect(shown()).toBe(0);
  readers.set(counting(0));
  expect(shown()).toBe(0);
});

test("a handle that is closed before it was refused does not show as exclusive access", async () => {
  const { call, shown } = shownAt(0);
  const connect = call(1);
  call(-1).resolve();
  connect.reject(new Error("refused"));
  await vi.advanceTimersByTimeAsync(1);
  expect(shown()).toBe(0);
});
