import { createHash, generateKeyPairSync, verify } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Algorithm, type KeyKind, kindOf } from "./algorithms.ts";
import { signDigest } from "./ecdsa.ts";

type Curve = Extract<KeyKind, { type: "ec" }>;
const p256 = kindOf(Algorithm.EccP256) as Curve;
const p384 = kindOf(Algorithm.EccP384) as Curve;

describe.each([
  ["P-256", p256, "sha256"],
  ["P-384", p384, "sha384"],
  ["P-256", p256, "sha512"],
  ["P-256", p256, "sha1"],
  ["P-384", p384, "sha1"],
  ["P-384", p384, "sha512"],
] as const)("%s", (_name, curve, hash) => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: curve.curve });

  test(`OpenSSL believes the signatures of a ${hash} digest`, () => {
    const message = fc.uint8Array({ maxLength: 100 });
    fc.assert(
      fc.property(message, (data) => {
        const digest = createHash(hash).update(data).digest();
        expect(verify(hash, data, publicKey, signDigest(privateKey, curve, digest))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});

test("no two signatures are the same, and s is sometimes above half the order", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: p256.curve });
  const digest = createHash("sha256").update("the same").digest();
  const signatures = Array.from({ length: 40 }, () =>
    Buffer.from(signDigest(privateKey, p256, digest)).toString("hex"),
  );
  expect(new Set(signatures).size).toBe(40);
  // In DER the last number is s; above half the order, its first bit is set and a zero byte comes before it.
  expect(signatures.some((text) => text.includes("022100", text.length - 2 * 35))).toBe(true);
});
