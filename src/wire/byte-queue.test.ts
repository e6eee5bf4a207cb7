import * as fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { ByteQueue } from "./byte-queue.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** The bytes 1, 2, 3 … */
const counting = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index + 1) & 0xff);

function filled(...chunks: readonly Uint8Array[]): ByteQueue {
  const queue = new ByteQueue();
  for (const chunk of chunks) queue.push(chunk);
  return queue;
}

test("takes exact lengths, across chunks", () => {
  const queue = filled(counting(5).subarray(0, 2), counting(5).subarray(2, 5));
  expect(queue.take(1)).toEqual(Uint8Array.of(1));
  expect(queue.take(3)).toEqual(Uint8Array.of(2, 3, 4));
  expect(queue.take(2)).toBeUndefined();
  expect(queue.length).toBe(1);
  queue.push(Uint8Array.of(6));
  expect(queue.take(2)).toEqual(Uint8Array.of(5, 6));
  expect(queue.length).toBe(0);
  queue.push(Uint8Array.of(7));
  expect(queue.take(1)).toEqual(Uint8Array.of(7));
});

test("peek does not consume", () => {
  const queue = filled(Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3));
  expect(queue.peek(2)).toEqual(Uint8Array.of(1, 2));
  expect(queue.peek(3)).toEqual(Uint8Array.of(1, 2, 3));
  expect(queue.peek(4)).toBeUndefined();
  expect(queue.length).toBe(3);
  expect(queue.take(3)).toEqual(Uint8Array.of(1, 2, 3));
});

test("nothing can be taken at any time", () => {
  const queue = filled(new Uint8Array(0));
  expect(queue.take(0)).toEqual(new Uint8Array(0));
  queue.push(Uint8Array.of(1));
  queue.push(new Uint8Array(0));
  expect(queue.take(0)).toEqual(new Uint8Array(0));
  expect(queue.take(1)).toEqual(Uint8Array.of(1));
  expect(queue.take(0)).toEqual(new Uint8Array(0));
});

test("however chunks fall and whatever is looked at, the same comes out", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ act: fc.constant("push" as const), length: fc.nat(40) }),
      fc.record({ act: fc.constant("take" as const), length: fc.nat(60) }),
      fc.record({ act: fc.constant("peek" as const), length: fc.nat(60) }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const stream = counting(3000);
      const queue = new ByteQueue();
      let pushed = 0;
      let taken = 0;
      for (const { act, length } of all) {
        const there = taken + length <= pushed;
        const expected = there ? stream.slice(taken, taken + length) : undefined;
        const got =
          act === "push" ? queue.push(stream.slice(pushed, pushed + length)) : queue[act](length);
        expect(got).toEqual(act === "push" ? undefined : expected);
        if (act === "push") pushed += length;
        if (act === "take" && there) taken += length;
        expect(queue.length).toBe(pushed - taken);
      }
    }),
  );
});

/** Bytes that the queue copies while `run` runs. */
function copiedBy(run: () => void): number {
  const set = vi.spyOn(Uint8Array.prototype, "set");
  run();
  const copied = set.mock.calls.reduce((sum, [from]) => sum + from.length, 0);
  set.mockRestore();
  return copied;
}

test("one large piece in single bytes, looked at after each, is copied at most twice", () => {
  const whole = 65_588;
  const queue = new ByteQueue();
  const copied = copiedBy(() => {
    for (let at = 0; at < whole; at++) {
      queue.push(Uint8Array.of(at & 0xff));
      queue.peek(8);
      queue.peek(40);
      queue.peek(whole);
    }
  });
  expect(queue.take(whole)?.length).toBe(whole);
  expect(copied).toBeLessThanOrEqual(2 * whole);
});

test("a long backlog of small pieces is copied at most twice", () => {
  const count = 20_000;
  const queue = filled(...Array.from({ length: count }, () => counting(5)));
  let taken = 0;
  const copied = copiedBy(() => {
    while (queue.take(8)) taken += 8;
  });
  expect(taken).toBe(5 * count);
  expect(copied).toBeLessThanOrEqual(2 * 5 * count);
});

// With an array in place of the list, this needs minutes instead of milliseconds and so runs into the time limit.
test("a long backlog of chunks that are taken one by one costs the same for each", () => {
  const count = 400_000;
  const chunk = counting(8);
  const queue = new ByteQueue();
  for (let index = 0; index < count; index++) queue.push(chunk);
  let taken = 0;
  while (queue.take(8)) taken += 1;
  expect(taken).toBe(count);
});

test("a single chunk is not copied", () => {
  const chunk = counting(100);
  const queue = filled(chunk);
  const taken = queue.take(60);
  expect(taken?.buffer).toBe(chunk.buffer);
  expect(queue.take(40)?.buffer).toBe(chunk.buffer);
});
