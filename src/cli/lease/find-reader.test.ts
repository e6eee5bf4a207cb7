import { expect, test } from "vitest";
import type { CardService } from "../../domain/card-service.ts";
import { fakeReader } from "../../testing/fake-service.ts";
import type { OpenSource } from "../open-source.ts";
import type { OpenReaders } from "../open.ts";
import { findReader } from "./find-reader.ts";

/** What was opened at places with these labels: two readers each. */
function opened(...labels: readonly string[]): OpenReaders {
  const sources = labels.map((label) => {
    const readers = [fakeReader("Card 00 00"), fakeReader("Card [x] 01 00")];
    const service = { readers } as Partial<CardService> as CardService;
    return { source: { label, text: label }, service } as Partial<OpenSource> as OpenSource;
  });
  return { sources } as Partial<OpenReaders> as OpenReaders;
}

test.each([
  ["Card 00 00", "Card 00 00"],
  ["*00 00", "Card 00 00"],
  ["Card [x] 01 00", "Card [x] 01 00"],
])("%s is one reader", (wanted, name) => {
  expect(findReader(opened("a"), wanted)).toMatchObject({ inner: name, outer: name });
});

test("of several places it has the place in its name here, and not there", () => {
  const readers = opened("a", "b");
  const found = findReader(readers, "*(b) 00 00");
  expect(found).toMatchObject({ inner: "Card 00 00", outer: "Card (b) 00 00" });
  expect(found.source).toBe(readers.sources[1]);
});

test("none, or several, are said by name", () => {
  expect(() => findReader(opened("a"), "Nothing")).toThrow('no reader here is called "Nothing"');
  expect(() => findReader(opened(), "*")).toThrow(
    expect.objectContaining({ hint: "There are none now: 'cardwire status' tells why." }),
  );
  expect(() => findReader(opened("a"), "Card*")).toThrow(
    expect.objectContaining({ hint: "A lease is of one: Card 00 00; Card [x] 01 00." }),
  );
});
