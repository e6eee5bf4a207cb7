import { expect, test } from "vitest";
import { SlowLane } from "./slow-lane.ts";

test("from a network that is slowed down one begins after the other, and others at once", () => {
  const lane = new SlowLane();
  expect(lane.place("192.0.2.1", 0)).toBe(0);
  lane.slow("192.0.2.1", 0);
  expect([0, 0, 0].map((now) => lane.place("::ffff:192.0.2.1", now))).toEqual([0, 100, 200]);
  expect(lane.place("192.0.2.2", 0)).toBe(0);
  lane.slow("192.0.2.1", 50); // does not begin anew
  expect(lane.place("192.0.2.1", 50)).toBe(250);
  expect(lane.place("192.0.2.1", 5_000)).toBe(0);
});

test("it lasts for a while after the last excess, and all addresses of an IPv6 network are one", () => {
  const lane = new SlowLane();
  lane.slow("2001:db8::1", 0);
  lane.slow("2001:db8::2", 9_000);
  expect([0, 0].map(() => lane.place("2001:db8::3", 18_000))).toEqual([0, 100]);
  expect([0, 0].map(() => lane.place("2001:db8::3", 20_000))).toEqual([0, 0]);
});

test("so many networks that not all can be remembered do not fill the memory", () => {
  const lane = new SlowLane();
  for (let n = 0; n < 10_000; n += 1) lane.slow(`10.0.${n >> 8}.${n & 255}`, n);
  lane.place("10.0.0.0", 10_000);
  expect(lane.place("10.0.0.0", 10_000)).toBe(0); // forgotten
  lane.place("10.0.39.15", 10_000);
  expect(lane.place("10.0.39.15", 10_000)).toBe(100);
});
