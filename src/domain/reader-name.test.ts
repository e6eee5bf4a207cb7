import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  innerName,
  MAX_LABEL_BYTES,
  MAX_NAME_BYTES,
  outerName,
  shownLabel,
} from "./reader-name.ts";

const size = (text: string) => Buffer.byteLength(text);

/** Whether a text is the same after it went through UTF-8: it has no half characters. */
const isWellFormed = (text: string) => Buffer.from(text).toString() === text;

/** Texts of any characters, also of several bytes each, as short and as long as can be. */
const texts = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit: "binary", maxLength }),
    fc.string({ unit: "binary", minLength: maxLength / 2, maxLength }),
    fc.string({ unit: fc.constantFrom("a", "é", "\u{1f511}", " ", "(", ")", "~", "0"), maxLength }),
  );

const digits = fc.option(fc.stringMatching(/^ [0-9A-F]{2} [0-9A-F]{2}$/), { nil: "" });

/** Names as pcscd makes them and others. */
const inners = fc.tuple(texts(140), digits).map((parts) => parts.join(""));
const hosts = texts(90);

describe("outerName", () => {
  test.each([
    ["alice", "Virtual PCD 00 00", "Virtual PCD (alice) 00 00"],
    [
      "alice",
      "Yubico YubiKey OTP+FIDO+CCID [CCID Interface] (0012345) 01 00",
      "Yubico YubiKey OTP+FIDO+CCID [CCID Interface] (0012345) (alice) 01 00",
    ],
    ["alice", "A reader without digits", "A reader without digits (alice)"],
    ["alice", "SCM 3310 0A ff", "SCM 3310 (alice) 0A ff"],
    ["alice", "Reader 100 00", "Reader 100 00 (alice)"],
    ["bob@10.0.0.1", "Reader (alice) 00 00", "Reader (alice) (bob@10.0.0.1) 00 00"],
    ["alice", "", " (alice)"],
  ])("on %s, %s is %s", (host, inner, outer) => {
    expect(outerName(host, inner)).toBe(outer);
    expect(innerName(host, outer)).toBe(inner);
    expect(innerName("another", outer)).toBeUndefined();
  });

  test("a long one loses its middle, at the border of characters, and keeps label, digits and serial number", () => {
    const long = `Schlüssel ${"ü".repeat(45)} (serial 0012345) 0A 01`;
    const name = outerName("cardhost.example.org", long);
    // By hand: 127 bytes less 29 of the end, 10 of the mark, leave 88: 44 before, 44 behind.
    expect(name).toMatch(
      /^Schlüssel ü{16}~[0-9a-f]{8}~ü{13} \(serial 0012345\) \(cardhost\.example\.org\) 0A 01$/,
    );
    expect(size(name)).toBeLessThanOrEqual(127);
    expect(size(name)).toBeGreaterThan(127 - 4);
    expect(outerName("cardhost.example.org", long)).toBe(name);
  });

  test("has at most 127 bytes of whole characters, the label and the digits", () => {
    fc.assert(
      fc.property(hosts, inners, (host, inner) => {
        const outer = outerName(host, inner);
        expect(size(outer)).toBeLessThanOrEqual(MAX_NAME_BYTES);
        expect(isWellFormed(outer)).toBe(true);
        const [end = ""] = / [0-9A-F]{2} [0-9A-F]{2}$/i.exec(inner) ?? [];
        expect(outer.endsWith(` (${shownLabel(host)})${end}`)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  /** Pairs that are easily mixed up: the second is made of the first. */
  const pairs = fc.tuple(hosts, inners).chain(([host, inner]) =>
    fc.tuple(
      fc.constant([host, inner] as const),
      fc.oneof(
        fc.tuple(hosts, inners),
        fc.tuple(fc.constant(host), inners),
        fc.tuple(hosts, fc.constant(inner)),
        fc.constantFrom<[string, string][]>(
          [host, outerName(host, inner)],
          [shownLabel(host), inner],
          // What, with its label put in again, would be the outer name of the first.
          [host, outerName(host, inner).replace(` (${shownLabel(host)})`, "")],
          [host, inner.slice(0, -1)],
        ),
      ),
    ),
  );

  test("differs for different readers and for different hosts", () => {
    fc.assert(
      fc.property(pairs, ([one, other]) => {
        fc.pre(one[0] !== other[0] || one[1] !== other[1]);
        expect(outerName(...one)).not.toBe(outerName(...other));
      }),
      { numRuns: 5_000 },
    );
  });

  test("tells the inner name unless something was left out", () => {
    fc.assert(
      fc.property(hosts, inners, (host, inner) => {
        const isWhole = size(inner) < 80 && !inner.includes("~");
        const allowed = isWhole ? [inner] : [inner, undefined];
        expect(allowed).toContain(innerName(host, outerName(host, inner)));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("shownLabel", () => {
  test.each([
    ["alice", "alice"],
    ["bob@10.0.0.1", "bob@10.0.0.1"],
    ["ssh://bob@[fe80::1]:2222", "ssh://bob@[fe80::1]:2222"],
    ["/run/user/1000/cardwire/a/pcscd.comm", "/run/user/1000/cardwire/a/pcscd.comm"],
  ])("%s stays as it is", (text, label) => {
    expect(shownLabel(text)).toBe(label);
  });

  test.each([
    ["/tmp/a b\u001b[31m/c(d)", /^\/tmp\/a_b_\[31m\/c_d_~[0-9a-f]{8}$/],
    ["h".repeat(41), /^h{31}~[0-9a-f]{8}$/],
    ["ö".repeat(21), /^ö{15}~[0-9a-f]{8}$/],
    ["host~0123abcd", /^host~0123abcd~[0-9a-f]{8}$/],
  ])("%j is made fit", (text, label) => {
    expect(shownLabel(text)).toMatch(label);
  });

  test("is short, prints, and differs for different texts", () => {
    fc.assert(
      fc.property(hosts, hosts, (one, other) => {
        const label = shownLabel(one);
        expect(size(label)).toBeLessThanOrEqual(MAX_LABEL_BYTES);
        expect(label).not.toMatch(/[\p{C}\p{Z}()]/u);
        expect(isWellFormed(label)).toBe(true);
        expect(shownLabel(other) === label).toBe(other === one);
      }),
      { numRuns: 2_000 },
    );
  });
});
