import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { findTlv } from "../../wire/iso7816/tlv.ts";
import { provision } from "./provision.ts";
import { readState, writeState } from "./state-text.ts";
import { emptyState, padPin, type PivState, reference } from "./state.ts";

const now = new Date("2026-11-24T10:00:00Z");
const [card, other] = await Promise.all([
  provision({ name: "Alice Exämple", now }),
  provision({ name: "b", algorithm: 0x14, pin: "4711471", puk: "secret", now }),
]);

function certificateOf({ objects }: PivState, tag: number): X509Certificate {
  const der = findTlv(objects.get(tag) ?? new Uint8Array(0), 0x70);
  return new X509Certificate(der ?? new Uint8Array(0));
}

const slots = [
  [0x9a, 0x5fc105, "PIV Authentication"],
  [0x9c, 0x5fc10a, "Digital Signature"],
  [0x9d, 0x5fc10b, "Key Management"],
  [0x9e, 0x5fc101, "Card Authentication"],
  [0xf9, 0x5fff01, "PIV Attestation"],
] as const;

describe.each([
  ["one that was told its name alone", card, "Alice Exämple"],
  ["another", other, "b"],
])("%s", (_what, state, name) => {
  test.each(slots)("the certificate of slot %i is its key's", (slot, tag, purpose) => {
    const certificate = certificateOf(state, tag);
    const { privateKey = new Uint8Array(0) } = state.keys.get(slot) ?? {};
    const key = createPrivateKey({ key: Buffer.from(privateKey), type: "pkcs8", format: "der" });
    expect(certificate.checkPrivateKey(key)).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.issuer).toBe(certificate.subject);
    expect(certificate.subject).toBe(`O=cardwire\nOU=${purpose}\nCN=${name}`);
    expect(certificate.ca).toBe(slot === 0xf9);
    expect(new Date(certificate.validFrom)).toEqual(now);
    expect(new Date(certificate.validTo)).toEqual(new Date("2036-11-24T10:00:00Z"));
  });
});

test("has something of each kind, unless it is told of which", () => {
  const kinds = ({ keys }: PivState) => [...keys].map(([slot, { algorithm }]) => [slot, algorithm]);
  const [a, c, d, e, f] = [0x9a, 0x9c, 0x9d, 0x9e, 0xf9];
  expect(kinds(card)).toEqual([
    [a, 7],
    [c, 0x11],
    [d, 7],
    [e, 0x11],
    [f, 0x11],
  ]);
  expect(kinds(other)).toEqual([
    [a, 0x14],
    [c, 0x14],
    [d, 0x14],
    [e, 0x14],
    [f, 0x11],
  ]);
});

test("certificates say what their keys are for", () => {
  const raw = (tag: number) => certificateOf(card, tag).raw.toString("hex");
  const usage = (bits: string) => `0603551d0f0101ff0404${bits}`;
  expect(raw(0x5fc105)).toContain(usage("03020780")); // digitalSignature
  expect(raw(0x5fc10a)).toContain(usage("030206c0")); // and nonRepudiation
  expect(raw(0x5fc10b)).toContain(usage("03020520")); // keyEncipherment
  expect(certificateOf(other, 0x5fc10b).raw.toString("hex")).toContain(usage("03020308")); // keyAgreement
});

test("PIN and PUK are those that it was told", () => {
  expect(card.pin).toEqual(reference(padPin("123456")));
  expect(card.puk).toEqual(reference(padPin("12345678")));
  expect(other.pin).toEqual(reference(padPin("4711471")));
  expect(other.puk).toEqual(reference(padPin("secret")));
});

test("the card holder's identifier has a GUID, and the date when it ends", () => {
  const chuid = card.objects.get(0x5fc102) ?? new Uint8Array(0);
  expect(findTlv(chuid, 0x30)?.length).toBe(25);
  const guid = Buffer.from(findTlv(chuid, 0x34) ?? []).toString("hex");
  expect(guid).toMatch(/^.{12}4.{3}[89ab].{15}$/);
  expect(Buffer.from(findTlv(chuid, 0x35) ?? []).toString()).toBe("20361124");
  expect([...chuid.subarray(-4)]).toEqual([0x3e, 0, 0xfe, 0]);
});

test.each([
  ["a PIN of five digits", { name: "x", pin: "12345" }, "a PIN has six to eight digits"],
  ["a PIN of letters", { name: "x", pin: "abcdef" }, "a PIN has six to eight digits"],
  [
    "a PUK of nine characters",
    { name: "x", puk: "123456789" },
    "a PUK has six to eight letters, digits or signs",
  ],
  ["no name", { name: "" }, "a card's name has 1 to 64 characters"],
  ["a name for a terminal", { name: "a\u001b[31mb" }, "a card's name has no control characters"],
  ["too long a name", { name: "x".repeat(65) }, "a card's name has 1 to 64 characters"],
])("%s is refused, and not repeated", async (_what, options, message) => {
  await expect(provision({ ...options, now })).rejects.toThrow(new RangeError(message));
});

describe("as text", () => {
  test("is read back as it was", () => {
    const full = { ...card, globalPin: { ...reference(padPin("471147")), triesLeft: 0 } };
    // A clone has plain byte arrays in place of Buffers, as it should not matter which.
    for (const state of [full, emptyState(7)])
      expect(structuredClone(readState(writeState(state)))).toEqual(structuredClone(state));
  });

  const keysIn = (value: Record<string, unknown>) =>
    value["keys"] as Record<string, Record<string, unknown>>;

  const changed = (change: (value: Record<string, unknown>) => void): string => {
    const value = JSON.parse(writeState(card)) as Record<string, unknown>;
    change(value);
    return JSON.stringify(value);
  };

  test.each([
    ["is no JSON", "secret {", "the whole"],
    ["is another JSON", "[]", "the whole"],
    ["is of another form", changed((v) => void (v["format"] = "another card, 1")), "its format"],
    ["has no PIN", changed((v) => void delete v["pin"]), "pin"],
    [
      "has more tries left than there are",
      changed((v) => void ((v["pin"] as { triesLeft: number }).triesLeft = 9)),
      "pin",
    ],
    [
      "has a short PUK",
      changed((v) => void ((v["puk"] as { value: string }).value = "MTIz")),
      "puk",
    ],
    ["has no base64", changed((v) => void ((v["puk"] as { value: string }).value = "%%")), "puk"],
    ["has a negative serial number", changed((v) => void (v["serial"] = -1)), "serial"],
    [
      "has an unknown management algorithm",
      changed((v) => void ((v["managementKey"] as { algorithm: number }).algorithm = 1)),
      "managementKey.algorithm",
    ],
    [
      "has a key in no slot",
      changed((v) => void ((v["keys"] as Record<string, unknown>)["77"] = {})),
      "keys.77",
    ],
    ["has no keys", changed((v) => void (v["keys"] = [])), "keys"],
    [
      "has a key that is none",
      changed((v) => void ((keysIn(v)["9a"] ?? {})["privateKey"] = "AAAA")),
      "keys.9a",
    ],
    [
      "has a key of another algorithm",
      changed((v) => void ((keysIn(v)["9a"] ?? {})["algorithm"] = 0x14)),
      "keys.9a",
    ],
    [
      "has a management key of another length",
      changed((v) => void ((v["managementKey"] as { value: string }).value = "AAAA")),
      "managementKey.value",
    ],
    [
      "has an object without a tag",
      changed((v) => void ((v["objects"] as Record<string, string>)["certificate"] = "AAAA")),
      "objects.certificate",
    ],
    [
      "has too long an object",
      changed(
        (v) => void ((v["objects"] as Record<string, string>)["5fc102"] = "A".repeat(24_000)),
      ),
      "objects.5fc102",
    ],
  ])("that %s is refused, and not repeated", (_what, text, where) => {
    const message = `that is no card's state: ${where} is not as it should be`;
    expect(() => readState(text)).toThrow(message);
  });

  test("that a newer cardwire wrote is refused with that reason", () => {
    const newer = changed((v) => void (v["format"] = "cardwire PIV card, 2"));
    expect(() => readState(newer)).toThrow("written by a newer cardwire");
  });
});
