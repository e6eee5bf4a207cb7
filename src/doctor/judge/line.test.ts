import { expect, test } from "vitest";
import { judgeLine } from "./line.ts";

const cardhost = { name: "cardhost", remote: true };

// 66 exchanges for a signature through cardwire, 136 through ssh -L.
test.each([
  [50, "line-round-trip", "waits 3.3 s for the line (plain ssh -L: 6.8 s)"],
  [1, "line-round-trip", "waits 0.07 s for the line (plain ssh -L: 0.14 s)"],
  [100, "line-slow", "waits 6.6 s for the line (plain ssh -L: 13.6 s)"],
])("%d ms", (ms, check, text) => {
  const [found] = judgeLine(cardhost, ms);
  expect(found?.check).toBe(check);
  expect(found?.what).toContain(text);
});

test("on this computer a signature waits for no line", () => {
  const [found] = judgeLine({ name: "this computer", remote: false }, 0.2);
  expect(found?.what).toBe("one exchange with pcscd on this computer takes 0.2 ms");
});

test("nothing is said of a line that broke", () => {
  expect(judgeLine(cardhost, undefined)).toEqual([]);
});
