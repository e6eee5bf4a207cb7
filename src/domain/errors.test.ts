import { expect, test } from "vitest";
import { CardwireError, ProtocolError, ReturnCodeError } from "./errors.ts";
import { Rv, returnCodes } from "./return-codes.ts";

test("an error has a code, and a name from its class", () => {
  const cause = new Error("below");
  const error = new ProtocolError("nonsense", { cause, hint: "Update it." });
  expect(error).toBeInstanceOf(CardwireError);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: "ProtocolError",
    code: "E_PROTOCOL",
    message: "nonsense",
    cause,
    hint: "Update it.",
  });
});

test("an error without a cause has none", () => {
  expect("cause" in new ProtocolError("nonsense")).toBe(false);
});

test("is tells errors of another copy of this package, and nothing else", () => {
  const foreign = Object.assign(new Error("x"), { [Symbol.for("cardwire.error")]: true });
  for (const ours of [new ProtocolError("x"), foreign]) expect(CardwireError.is(ours)).toBe(true);
  for (const other of [new Error("x"), undefined, null, "E_PROTOCOL", {}])
    expect(CardwireError.is(other)).toBe(false);
});

test.each([
  [
    Rv.SharingViolation,
    "SCARD_E_SHARING_VIOLATION",
    "SCardConnect: another program holds the card (0x8010000b)",
  ],
  [0x42, "SCARD_UNKNOWN", "SCardConnect: unknown return code (0x00000042)"],
])("return code %i says what it means", (rv, code, message) => {
  expect(new ReturnCodeError("SCardConnect", rv)).toMatchObject({ rv, code, message });
});

test("every return code has a name of its own and a text", () => {
  const codes = Object.values(Rv).map((rv) => returnCodes[rv]?.[0]);
  expect(codes).not.toContain(undefined);
  expect(new Set(codes).size).toBe(codes.length);
});
