import { expect, test } from "vitest";
import { Lock } from "./lock.ts";

const [alice, bob, carol] = [{ name: "alice" }, { name: "bob" }, { name: "carol" }];
const ever = new AbortController().signal;

test("nests, and belongs to one", () => {
  const lock = new Lock<object>();
  expect([lock.take(alice), lock.take(alice), lock.take(bob)]).toEqual([true, true, false]);
  expect(lock.give(bob)).toBe(false);
  expect([lock.give(alice), lock.isDenied(bob), lock.give(alice), lock.isDenied(bob)]).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(lock.give(alice)).toBe(false);
});

test("is given in the order of arrival, at once", async () => {
  const lock = new Lock<object>();
  lock.take(alice);
  const order: string[] = [];
  const waits = [bob, carol, bob].map(async (who, index) => {
    await lock.takeInTurn(who, 20_000, ever);
    order.push(`${who.name} ${index}`);
  });
  lock.give(alice);
  // Both of bob's: it nests, so the later one need not wait for carol.
  expect(lock.isHeldBy(bob)).toBe(true);
  lock.drop();
  await Promise.all(waits);
  expect(order.toSorted()).toEqual(["bob 0", "bob 2", "carol 1"]);
});

test("who gives up is not given it", async () => {
  const lock = new Lock<object>();
  lock.take(alice);
  const stop = new AbortController();
  const waits = lock.takeInTurn(bob, 20_000, stop.signal);
  stop.abort();
  expect(await waits).toBe(false);
  lock.give(alice);
  expect(lock.isHeld()).toBe(false);
});

test("who waits too long is told so", async () => {
  const lock = new Lock<object>();
  lock.take(alice);
  expect(await lock.takeInTurn(bob, 1, ever)).toBe(false);
  expect(lock.isHeldBy(alice)).toBe(true);
});

test("whoever waits only for it to be free does not take it", async () => {
  const lock = new Lock<object>();
  lock.take(alice);
  const free = lock.whenFree(undefined);
  lock.give(alice);
  expect(await free).toBe(true);
  expect(lock.isHeld()).toBe(false);
});
