import { expect, test } from "vitest";
import { Watchable } from "./watchable.ts";

/** Lets everything run that is waiting for a promise. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("starts with the current value", async () => {
  const watchable = new Watchable("first");
  watchable.set("second");
  expect(watchable.value).toBe("second");
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const value of watchable.follow(stop)) {
    seen.push(value);
    stop.abort();
  }
  expect(seen).toEqual(["second"]);
});

test("brings each later value, also one that is equal to the one before", async () => {
  const watchable = new Watchable(0);
  const values = watchable.follow(new AbortController());
  expect(await values.next()).toEqual({ done: false, value: 0 });
  for (const value of [1, 2, 2]) {
    const next = values.next();
    await settled();
    watchable.set(value);
    expect(await next).toEqual({ done: false, value });
  }
});

test("a slow follower skips to the latest value", async () => {
  const watchable = new Watchable(0);
  const values = watchable.follow(new AbortController());
  await values.next();
  for (const value of [1, 2, 3]) watchable.set(value);
  expect(await values.next()).toEqual({ done: false, value: 3 });
  const next = values.next();
  watchable.set(4);
  expect(await next).toEqual({ done: false, value: 4 });
});

test("two followers do not take values from each other", async () => {
  const watchable = new Watchable(0);
  const stop = new AbortController();
  const seen: number[][] = [[], []];
  const followers = seen.map(async (into) => {
    for await (const value of watchable.follow(stop)) into.push(value);
  });
  await settled();
  watchable.set(1);
  await settled();
  stop.abort();
  await Promise.all(followers);
  expect(seen).toEqual([
    [0, 1],
    [0, 1],
  ]);
});

test.each([
  ["before it begins", async (stop: AbortController) => stop.abort()],
  ["while it waits", async (stop: AbortController) => void setImmediate(() => stop.abort())],
])("ends when told %s, without an error", async (_when, abort) => {
  const watchable = new Watchable(0);
  const stop = new AbortController();
  await abort(stop);
  for await (const value of watchable.follow(stop)) expect(value).toBe(0);
  expect(stop.signal.aborted).toBe(true);
});

test("what was set when it is told to end is not brought any more", async () => {
  const watchable = new Watchable(0);
  const stop = new AbortController();
  const values = watchable.follow(stop);
  await values.next();
  watchable.set(1);
  stop.abort();
  expect(await values.next()).toEqual({ done: true, value: undefined });
});
