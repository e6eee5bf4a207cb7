import { expect, test } from "vitest";
import { Numbers } from "./numbers.ts";

test("numbers have 31 bits, are not 0, and nobody else has them", () => {
  const numbers = new Numbers();
  const taken = Array.from({ length: 5_000 }, () => numbers.take());
  expect(new Set(taken).size).toBe(5_000);
  for (const number of taken) {
    expect(number).toBeGreaterThan(0);
    expect(number).toBeLessThan(2 ** 31);
  }
});
