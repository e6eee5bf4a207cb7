import { expect, test } from "vitest";
import { negotiate } from "./negotiate.ts";

const [T0, T1, ANY] = [1, 2, 0x1000];
const both = Buffer.from("3b80800101", "hex");
const t0 = Buffer.from("3b00", "hex");

// Protocol reference, section 5.6, as observed at pcscd.
test.each([
  ["T=1 is preferred", T0 | T1, 0, both, T1],
  ["one that is asked for", T0, 0, both, T0],
  ["what the card does not offer", T1, 0, t0, undefined],
  ["any there is", ANY, 0, t0, T0],
  ["the first program decided", T0, T1, both, undefined],
  ["and who asks for both gets that", T0 | T1, T0, both, T0],
  ["no card's answer", T0 | T1, 0, new Uint8Array(0), undefined],
])("%s", (_, requested, active, atr, protocol) => {
  expect(negotiate(requested, active, atr)).toBe(protocol);
});
