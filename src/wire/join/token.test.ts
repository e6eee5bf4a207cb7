import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CardwireError } from "../../domain/errors.ts";
import { encodeToken, MAX_ADDRESSES, parseToken, type Token } from "./token.ts";

const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
const tokens: fc.Arbitrary<Token> = fc.record({
  addresses: fc.array(host, { minLength: 1, maxLength: MAX_ADDRESSES }),
  port: fc.integer({ min: 1, max: 65_535 }),
  fingerprint: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  secret: fc.uint8Array({ minLength: 16, maxLength: 16 }),
});

/** The message with which a text is refused. */
function refusalOf(text: string): string {
  try {
    parseToken(text);
  } catch (error) {
    if (CardwireError.is(error) && error.code === "E_TOKEN") return error.message;
  }
  throw new Error("it is not refused as it should be");
}

const refusal = expect.objectContaining({ code: "E_TOKEN" });

describe("a token", () => {
  test("is the same after it was a word", () => {
    fc.assert(
      fc.property(tokens, (token) => {
        const word = encodeToken(token);
        expect(word).toMatch(/^cardwire-1-[A-Za-z0-9_-]+$/);
        expect(parseToken(`  ${word}\r\n`)).toEqual(token);
      }),
    );
  });

  test("has the bytes that docs/serve.md tells", () => {
    const body = Buffer.from(
      `011e88${"11".repeat(32)}${"22".repeat(16)}0108${Buffer.from("cardhost").toString("hex")}`,
      "hex",
    );
    const check = createHash("sha256").update(body).digest().subarray(0, 4);
    const token = {
      addresses: ["cardhost"],
      port: 7816,
      fingerprint: new Uint8Array(32).fill(0x11),
      secret: new Uint8Array(16).fill(0x22),
    };
    const word = `cardwire-1-${Buffer.concat([body, check]).toString("base64url")}`;
    expect(encodeToken(token)).toBe(word);
  });

  test("is refused with any character changed, or one lost", () => {
    const places = fc.nat();
    const letters = fc.constantFrom("a", "b", "X", "Y", "0", "9", "-", "_");
    fc.assert(
      fc.property(tokens, places, letters, (token, place, letter) => {
        const word = encodeToken(token);
        const at = 11 + (place % (word.length - 11));
        expect(() => parseToken(word.slice(0, at) + word.slice(at + 1))).toThrow(refusal);
        const changed = word.slice(0, at) + letter + word.slice(at + 1);
        fc.pre(changed !== word);
        expect(() => parseToken(changed)).toThrow(refusal);
      }),
    );
  });

  test("is not found in garbage, nor any of it in the message", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 12 }), (text) => {
        for (const one of [text, `cardwire-1-${text}`])
          expect(refusalOf(one)).not.toContain(text.trim() || "\0");
      }),
    );
  });

  test.each([
    ["no address", [0]],
    ["an address that is none", [1, 3, 0x20, 0x20, 0x20]],
    ["an address that is cut short", [1, 9, 0x61]],
    ["more than it counts", [1, 1, 0x61, 1, 0x61]],
    ["fewer than it counts", [2, 1, 0x61]],
    ["too many", [9, ...Array.from({ length: 9 }, () => [1, 0x61]).flat()]],
  ])("with %s is refused, however well it adds up", (_what, tail) => {
    const head = Buffer.from(`011e88${"11".repeat(32)}${"22".repeat(16)}`, "hex");
    const body = Buffer.concat([head, Uint8Array.from(tail)]);
    const check = createHash("sha256").update(body).digest().subarray(0, 4);
    const word = `cardwire-1-${Buffer.concat([body, check]).toString("base64url")}`;
    expect(() => parseToken(word)).toThrow(refusal);
  });

  test("of a later kind says so", () => {
    expect(() => parseToken("cardwire-2-AAAA")).toThrow(/of another kind/);
  });
});
