import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { tellIfSlow } from "./patience.ts";

// With a terminal: test/interop/shells.test.ts.

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("where nobody looks, nothing waits", () => {
  const said: string[] = [];
  const io = { err: (text: string) => void said.push(text) };
  using _patience = tellIfSlow({ ...io, isTerminal: { out: true, err: false } }, "connecting");
  using _unknown = tellIfSlow(io, "connecting");
  expect(vi.getTimerCount()).toBe(0);
});

test("what is over leaves no timer behind", () => {
  const io = { err: () => {}, isTerminal: { out: true, err: true } };
  {
    using _patience = tellIfSlow(io, "connecting");
    expect(vi.getTimerCount()).toBe(1);
  }
  expect(vi.getTimerCount()).toBe(0);
});
