import * as fc from "fast-check";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { type KeyPath, positionsIn } from "./positions.ts";

/** A document of which the line and column of each place is known because it is written there. */
const DOCUMENT = `# a comment with [brackets] = "and more"
top = 1
[attach.work]
  where = ["alice@cardhost", # the first
    'other']
"mode" = "0660"
slots.a.b = 48
text = """
mode = "not a key"
"""""
when = 1979-05-27 07:32:00
last = { first = "x", second.third = [1, [2, 3]] }

[ attach . "la\\u0062" ]
'name' = '''
[no.header]'''
[[rows]]
a = 1
[[rows]]
a = 2
[rows.deep]
b = true
`;

test.each<[KeyPath, number, number]>([
  [["top"], 2, 1],
  [["attach"], 3, 2],
  [["attach", "work"], 3, 9],
  [["attach", "work", "where"], 4, 3],
  [["attach", "work", "where", 0], 4, 12],
  [["attach", "work", "where", 1], 5, 5],
  [["attach", "work", "mode"], 6, 1],
  [["attach", "work", "slots", "a", "b"], 7, 9],
  [["attach", "work", "text"], 8, 1],
  [["attach", "work", "when"], 11, 1],
  [["attach", "work", "last"], 12, 1],
  [["attach", "work", "last", "first"], 12, 10],
  [["attach", "work", "last", "second", "third"], 12, 30],
  [["attach", "work", "last", "second", "third", 1, 1], 12, 46],
  [["attach", "lab"], 14, 12],
  [["attach", "lab", "name"], 15, 1],
  [["rows", 1, "a"], 20, 1],
  [["rows", 1, "deep", "b"], 22, 1],
  // What is not there stands where it would be.
  [["attach", "work", "group"], 3, 9],
  [["nothing"], 1, 1],
  [[], 1, 1],
])("%j stands in line %i, column %i", (path, line, column) => {
  expect(positionsIn(DOCUMENT)(path)).toEqual({ line, column });
});

/** A value, and TOML for it that takes several lines where TOML allows it. */
const scalar = fc.oneof(
  fc.integer({ min: -1e9, max: 1e9 }).map(String),
  fc.boolean().map(String),
  fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text).replaceAll("\u007f", "\\u007f")),
  fc.constantFrom("'lit [x] = #'", '"""\nx = 1\n[y]"""', "'''\n\n'a'''''", "2020-01-01 10:00:00Z"),
);
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc
      .array(tie("value"), { maxLength: 3 })
      .map((items) => `[ # , ]\n${items.map((item) => `${item},\n`).join("")}]`),
    fc
      .array(tie("value"), { maxLength: 3 })
      .map((items) => `{ ${items.map((item, index) => `k${index} = ${item}`).join(", ")} }`),
  ),
}));
const key = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_-]{1,6}$/),
  fc.string({ maxLength: 6 }).map((text) => JSON.stringify(text).replaceAll("\u007f", "\\u007f")),
);
const keyOf = (written: string): string => Object.keys(parse(`${written} = 1`))[0] ?? "";

describe("any document", () => {
  test("each key is found in the line in which it was written", () => {
    const entry = fc.record({ key, value, blank: fc.constantFrom("", "\n", "  # c\n", "\r\n") });
    const tables = fc.uniqueArray(
      fc.record({
        name: key,
        entries: fc.uniqueArray(entry, { maxLength: 4, selector: (one) => keyOf(one.key) }),
      }),
      { maxLength: 4, selector: (one) => keyOf(one.name) },
    );
    fc.assert(
      fc.property(tables, (all) => {
        let text = "";
        const expected: (readonly [KeyPath, number])[] = [];
        const here = (): number => text.split("\n").length;
        for (const { name, entries } of all) {
          expected.push([["t", keyOf(name)], here()]);
          text += `[t.${name}]\n`;
          for (const one of entries) {
            text += one.blank;
            expected.push([["t", keyOf(name), keyOf(one.key)], here()]);
            text += `${one.key} = ${one.value}\n`;
          }
        }
        fc.pre(isToml(text));
        const place = positionsIn(text);
        expect(expected.map(([path]) => [path, place(path).line])).toEqual(expected);
      }),
    );
  });

  test("any text at all comes to an end", () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom(...Array.from("[]{}=.,\"'#\n\\ a1"), '"""', "'''"),
        fc.string({ maxLength: 3 }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(pieces, (words) => {
        expect(positionsIn(words.join(""))(["a"]).line).toBeGreaterThan(0);
      }),
    );
  });
});

function isToml(text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}
