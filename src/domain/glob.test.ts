import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { globMatcher } from "./glob.ts";

describe("globMatcher", () => {
  // Expectations by hand, from POSIX.1-2017, XCU 2.13.1 and 2.13.2; the `case` of bash and dash agrees (`[^`, `[a-`: dash alone differs, as it may).
  test.each([
    ["", ["", true], ["a", false]],
    ["Yubico*", ["Yubico YubiKey 00 00", true], ["yubico", false], ["A Yubico", false]],
    ["*alice*", ["Virtual PCD (alice) 00 00", true], ["Virtual PCD (bob) 00 00", false]],
    ["* 00 0?", ["R 00 01", true], ["R 00 0", false], ["R 00 012", false]],
    ["*a*b*c", ["xxaxxbxxbxxc", true], ["xxaxxcxxb", false], ["abc", true]],
    ["**", ["", true], ["anything", true]],
    ["?", ["a", true], ["\u{1f511}", true], ["", false], ["ab", false]],
    ["[abc]x", ["bx", true], ["dx", false], ["x", false]],
    ["[a-c-]", ["b", true], ["-", true], ["d", false]],
    ["[!a-c]", ["d", true], ["b", false], ["", false]],
    ["[^a-c]", ["d", true], ["b", false]],
    ["[]x]", ["]", true], ["x", true], ["y", false]],
    ["[!]]", ["x", true], ["]", false]],
    ["[\\]]", ["]", true], ["\\", false]],
    ["[a\\-c]", ["-", true], ["b", false], ["c", true]],
    ["[z-a]", ["m", false], ["z", false]],
    ["[CCID", ["[CCID", true], ["C", false]],
    ["[", ["[", true]],
    ["[a-", ["[a-", true], ["a", false]],
    ["\\*\\?\\[a]", ["*?[a]", true], ["xya", false]],
    ["a\\", ["a\\", true], ["a", false]],
    ["[*?]", ["*", true], ["?", true], ["x", false]],
  ] as [string, ...[string, boolean][]][])("%s", (pattern, ...cases) => {
    for (const [text, expected] of cases)
      expect([text, globMatcher(pattern)(text)]).toEqual([text, expected]);
  });

  /** Few different characters, so that patterns match often. */
  const few = (alphabet: string) =>
    fc.string({ unit: fc.constantFrom(...Array.from(alphabet)), maxLength: 12 });

  test("agrees with the definition: a star is nothing, or a character and a star", () => {
    const reference = (pattern: string, text: string): boolean => {
      const [head] = pattern;
      const rest = pattern.slice(1);
      if (head === undefined) return text === "";
      if (head === "*")
        return reference(rest, text) || (text !== "" && reference(pattern, text.slice(1)));
      return text !== "" && (head === "?" || head === text[0]) && reference(rest, text.slice(1));
    };
    fc.assert(
      fc.property(few("ab*?"), few("ab"), (pattern, text) => {
        expect(globMatcher(pattern)(text)).toBe(reference(pattern, text));
      }),
      { numRuns: 2_000 },
    );
  });

  test("every text matches itself with each character escaped", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const escaped = Array.from(text)
          .map((character) => `\\${character}`)
          .join("");
        expect(globMatcher(escaped)(text)).toBe(true);
      }),
    );
  });

  test("never throws, whatever the pattern", () => {
    fc.assert(
      fc.property(few("a[]!^-\\*?"), few("a[]!^-\\*?"), (pattern, text) => {
        expect(typeof globMatcher(pattern)(text)).toBe("boolean");
      }),
      { numRuns: 2_000 },
    );
  });

  test("a pattern made to explode is answered", () => {
    const pattern = `${"*a".repeat(500)}b`;
    expect(globMatcher(pattern)("a".repeat(5_000))).toBe(false);
  });
});
