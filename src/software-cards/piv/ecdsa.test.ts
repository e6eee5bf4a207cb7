import { createECDH, createHash, generateKeyPairSync, verify } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Algorithm, type KeyKind, kindOf } from "./algorithms.ts";
import { invert, signDigest, signWith, toBigInt } from "./ecdsa.ts";

const bytes = (text: string) => Buffer.from(text, "hex");
type Curve = Extract<KeyKind, { type: "ec" }>;
const p256 = kindOf(Algorithm.EccP256) as Curve;
const p384 = kindOf(Algorithm.EccP384) as Curve;

// RFC 6979, A.2.5 and A.2.6: the private key, k of each message, and what becomes of them.
const vectors = [
  {
    what: "P-256, SHA-256, sample",
    curve: p256,
    x: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
    digest: createHash("sha256").update("sample").digest(),
    k: "A6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60",
    r: "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
    s: "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
  },
  {
    what: "P-256, SHA-512 (longer than the order), sample",
    curve: p256,
    x: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
    digest: createHash("sha512").update("sample").digest(),
    k: "5FA81C63109BADB88C1F367B47DA606DA28CAD69AA22C4FE6AD7DF73A7173AA5",
    r: "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
    s: "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE",
  },
  {
    what: "P-256, SHA-1 (shorter than the order), sample",
    curve: p256,
    x: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
    digest: createHash("sha1").update("sample").digest(),
    k: "882905F1227FD620FBF2ABF21244F0BA83D0DC3A9103DBBEE43A1FB858109DB4",
    r: "61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32",
    s: "6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB",
  },
  {
    what: "P-384, SHA-384, sample",
    curve: p384,
    x: "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
    digest: createHash("sha384").update("sample").digest(),
    k: "94ED910D1A099DAD3254E9242AE85ABDE4BA15168EAF0CA87A555FD56D10FBCA2907E3E83BA95368623B8C4686915CF9",
    r: "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
    s: "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
  },
];

test.each(vectors)("$what, as in RFC 6979", ({ curve, x, digest, k, r, s }) => {
  const pair = createECDH(curve.curve);
  pair.setPrivateKey(bytes(k));
  const ephemeral = {
    k: toBigInt(bytes(k)),
    x: toBigInt(pair.getPublicKey().subarray(1, 1 + curve.size)),
  };
  expect(signWith(ephemeral, { curve, d: toBigInt(bytes(x)), digest })).toEqual({
    r: toBigInt(bytes(r)),
    s: toBigInt(bytes(s)),
  });
});

describe.each([
  ["P-256", p256, "sha256"],
  ["P-384", p384, "sha384"],
  ["P-256", p256, "sha512"],
  ["P-384", p384, "sha1"],
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

test("the inverse undoes a multiplication", () => {
  const prime = (1n << 127n) - 1n;
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: prime - 1n }), (a) => {
      expect((a * invert(a, prime)) % prime).toBe(1n);
    }),
  );
});
