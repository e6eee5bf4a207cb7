import { expect, test } from "vitest";
import { makeAuthority } from "../src/carriers/tls/authority.ts";
import { PINS, SecretStream, secretsIn } from "./lab/secrets.ts";

// What `npm test` looks for in all that cardwire shows: see test/lab/secret-watch.ts.

const hexOf = (pin: string) => Buffer.from(pin).toString("hex");
const block = (pin: string) =>
  Buffer.concat([Buffer.from("0020008008", "hex"), Buffer.from(pin), Buffer.alloc(2, 0xff)]);

test.each(PINS)("the PIN %s is found in each form", (pin) => {
  const is = [`a PIN of ${pin.length} digits`];
  const spaced = hexOf(pin).match(/../g) ?? [];
  for (const text of [
    `{"pin":"${pin}"}`,
    `--pin ${pin}`,
    `PIN=${pin}\0HOME=/`,
    hexOf(pin),
    `0020008008${hexOf(pin)}FFFF`.toUpperCase(),
    spaced.join(" "),
    spaced
      .map((byte) => `0x${byte}`)
      .join(", ")
      .replaceAll(", 0x", ",0x"),
    JSON.stringify([...Buffer.from(pin)]),
    JSON.stringify(Buffer.from(pin)),
    Buffer.from(pin).toString("base64"),
    block(pin).toString("hex"),
  ])
    expect([text, secretsIn(`before ${text} behind`)]).toEqual([text, expect.arrayContaining(is)]);
});

test("private keys are found, with and without the words around them", async () => {
  const { key } = await makeAuthority("a test");
  const [, body = ""] = key.split("\n");
  for (const text of [
    key,
    body,
    Buffer.from(key.split("\n").slice(1, -2).join(""), "base64").toString("hex"),
  ])
    expect(secretsIn(`before ${text} behind`)).toEqual(["a private key"]);
});

test("times, numbers and certificates are none", async () => {
  const { certificate } = await makeAuthority("a test");
  const others = [
    "2026-11-28T12:34:56.123456Z",
    "1791234567890",
    "0x80123456",
    "12345",
    "ab123456",
  ];
  for (const text of [certificate, ...others]) expect([text, secretsIn(text)]).toEqual([text, []]);
});

test("a secret that comes in pieces is found", () => {
  const [pin] = PINS;
  for (let at = 1; at < pin.length; at += 1) {
    const stream = new SecretStream();
    const whole = Buffer.from(`${"x".repeat(500)} ${pin} ${"y".repeat(500)}`);
    const found = [whole.subarray(0, 501 + at), whole.subarray(501 + at)].map((part) =>
      stream.push(part),
    );
    expect(found.flat()).toEqual(["a PIN of 6 digits"]);
    expect(stream.bytes).toBe(whole.length);
  }
});
