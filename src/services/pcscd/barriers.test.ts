import { expect, test } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import { Barriers } from "./barriers.ts";
import type { Connection } from "./connection.ts";

// They are told apart by identity alone.
const connection = () => ({}) as Connection;
const [a, b] = [connection(), connection()];

test("a pending reply is a barrier for its reader, on other connections", async () => {
  const barriers = new Barriers();
  const reply = deferred();
  barriers.add("one", a, reply.promise);
  expect(barriers.isClear("one", a)).toBe(true);
  expect(barriers.isClear("one", b)).toBe(false);
  expect(barriers.isClear("two", b)).toBe(true);
  reply.resolve();
  await barriers.clear("one", b);
  expect(barriers.isClear("one", b)).toBe(true);
});

test("one that fails is none any more", async () => {
  const barriers = new Barriers();
  const reply = deferred();
  barriers.add("one", a, reply.promise);
  reply.reject(new Error("the connection broke"));
  await barriers.clear("one", b);
  expect(barriers.isClear("one", b)).toBe(true);
});

test("clear also waits for those that are added meanwhile", async () => {
  const barriers = new Barriers();
  const [first, second] = [deferred(), deferred()];
  barriers.add("one", a, first.promise);
  let isClear = false;
  const clear = barriers.clear("one", b).then(() => {
    isClear = true;
  });
  barriers.add("one", a, second.promise);
  first.resolve();
  await first.promise;
  await new Promise(setImmediate);
  expect(isClear).toBe(false);
  second.resolve();
  await clear;
});
