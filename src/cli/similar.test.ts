import { expect, test } from "vitest";
import { mostSimilar } from "./similar.ts";

const words = ["where", "name", "mode", "slots", "ssh", "keep-warm"];

test.each([
  ["mod", "mode"],
  ["mdoe", "mode"],
  ["slot", "slots"],
  ["keepwarm", "keep-warm"],
  ["Where", "where"],
  ["x", undefined],
  ["password", undefined],
  ["", undefined],
])("%j may be %j", (word, meant) => {
  expect(mostSimilar(word, words)).toBe(meant);
});
