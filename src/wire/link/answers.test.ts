import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeAnswers, encodeAnswers } from "./answers.ts";

const bytes = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));

test("each has its length before it", () => {
  const answers = [bytes("01 61 02"), bytes("02 03 90 00")];
  const wire = bytes("00000003 016102 00000004 02039000");
  expect(Buffer.from(encodeAnswers(answers))).toEqual(Buffer.from(wire));
  expect(decodeAnswers(wire)).toEqual(answers);
});

test("whatever they are, they come back", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (answers) => {
      expect(decodeAnswers(new Uint8Array(encodeAnswers(answers)))).toEqual(answers);
    }),
  );
});

test.each(["00", "00000001", "00000002 90", "00000000 ffffffff 9000"])("%s is refused", (hex) => {
  expect(() => decodeAnswers(bytes(hex))).toThrow("ends too early");
});
