import { describe, expect, test } from "vitest";
import { Blocked, MAX_BLOCKED } from "./blocked.ts";

const { signal } = new AbortController();
const full = async (blocked: Blocked, reader = "one") =>
  await Promise.all(Array.from({ length: MAX_BLOCKED }, () => blocked.enter(reader, signal)));

describe("Blocked", () => {
  test("lets in as many as the bound, then in order of arrival", async () => {
    const told: number[] = [];
    const blocked = new Blocked((_reader, connections) => told.push(connections));
    const leave = await full(blocked);
    expect(told).toEqual([]);
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (number) => {
      const left = await blocked.enter("one", signal);
      order.push(number);
      left();
    });
    expect(told).toEqual([64, 64, 64]);
    expect(order).toEqual([]);
    leave[0]?.();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect(blocked.total).toBe(MAX_BLOCKED - 1);
  });

  test("never keeps a reader from its first, and counts it", async () => {
    const blocked = new Blocked(() => {});
    await full(blocked);
    const leave = await blocked.enter("two", signal);
    expect(blocked.total).toBe(MAX_BLOCKED + 1);
    const second = blocked.enter("two", signal);
    leave();
    (await second)();
    expect(blocked.total).toBe(MAX_BLOCKED);
  });

  test("leaving twice counts once", async () => {
    const blocked = new Blocked(() => {});
    const [leave] = [await blocked.enter("one", signal), await blocked.enter("one", signal)];
    leave();
    leave();
    expect(blocked.total).toBe(1);
  });

  test("one that gives up while it queues takes no place", async () => {
    const blocked = new Blocked(() => {});
    const [leave] = await full(blocked);
    const dead = new AbortController();
    const waiting = blocked.enter("one", dead.signal);
    const next = blocked.enter("one", signal);
    dead.abort(new Error("died"));
    await expect(waiting).rejects.toThrow("died");
    leave?.();
    await next;
    expect(blocked.total).toBe(MAX_BLOCKED);
    await expect(blocked.enter("three", dead.signal)).rejects.toThrow("died");
  });
});
