import { expect, test } from "vitest";
import { oldestOfMost } from "./crowd.ts";

test.each([
  ["the oldest of whoever has the most", ["alice", "bob", "bob", "carol", "bob"], 1],
  ["of two who have as many the older", ["alice", "carol", "bob", "bob", "carol"], 1],
  ["the oldest of all where each has one", ["alice", "bob", "carol"], 0],
  ["those of nobody known count as one's", ["alice", undefined, undefined], 1],
  ["nobody where nobody is", [], undefined],
])("%s has to go", (_, owners, expected) => {
  expect(oldestOfMost(owners.map((whose, at) => [at, whose] as const))).toBe(expected);
});
