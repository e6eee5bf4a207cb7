import { describe, expect, test } from "vitest";
import { Rv } from "../domain/return-codes.ts";
import { fakeReader } from "../testing/index.ts";
import { Features } from "./features.ts";

const before = fakeReader("one", { eventCounter: 1 });
const after = fakeReader("one", { eventCounter: 2 });
const data = Uint8Array.of(1);

describe("Features", () => {
  test("an answer is known as long as the reader is there", () => {
    const features = new Features();
    expect(features.recall(before)).toBeUndefined();
    features.remember(before, { data });
    expect(features.recall(after)).toEqual({ data });
    features.keepOnly([after, fakeReader("two")]);
    expect(features.recall(after)).toEqual({ data });
    features.keepOnly([fakeReader("two")]);
    expect(features.recall(after)).toBeUndefined();
  });

  test.each([[Rv.UnsupportedFeature], [Rv.NotTransacted]])(
    "a refusal %i lasts until a card moves",
    (rv) => {
      const features = new Features();
      features.remember(before, { rv });
      expect(features.recall(before)).toEqual({ rv });
      expect(features.recall(after)).toBeUndefined();
    },
  );

  test.each([[Rv.SharingViolation], [Rv.ReaderUnavailable], [Rv.Cancelled]])(
    "a refusal %i says nothing about the reader",
    (rv) => {
      const features = new Features();
      features.remember(before, { rv });
      expect(features.recall(before)).toBeUndefined();
    },
  );
});
