import { getEventListeners } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { arrive } from "./arrive.ts";

/** Connections that end when `lasts` says, each after so many are there. */
function connections(lasts: (stream: Duplex, count: number) => void) {
  const seen = { count: 0 };
  const open = async () => {
    const [near] = duplexPair();
    seen.count += 1;
    lasts(near, seen.count);
    return near;
  };
  const life = new AbortController();
  const options = { entered: () => {}, signal: life.signal };
  const arriving = arrive({ open }, { accept: () => {} }, options);
  const end = async (): Promise<void> => {
    life.abort();
    await arriving.done;
    await arriving.idle();
  };
  return { seen, life, end };
}

test("connections that end at once are made ever more seldom, and leave nothing behind", async () => {
  const { seen, life, end } = connections((stream) => void setTimeout(() => stream.destroy(), 2));
  await sleep(1_000); // 100, 200, 400, 800 ms apart
  expect(seen.count).toBeGreaterThan(1);
  expect(seen.count).toBeLessThan(6);
  expect(getEventListeners(life.signal, "abort").length).toBeLessThan(3);
  await end();
});

test("one that lasted is followed by another at once", { timeout: 10_000 }, async () => {
  const now = performance.now.bind(performance);
  let later = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + later);
  try {
    // With pauses, so many would take minutes.
    const { seen, end } = connections((stream, count) => {
      if (count < 100)
        setImmediate(() => {
          later += 6_000;
          stream.destroy();
        });
    });
    await expect.poll(() => seen.count, { timeout: 8_000 }).toBe(100);
    await end(); // the present one with it
  } finally {
    clock.mockRestore();
  }
});
