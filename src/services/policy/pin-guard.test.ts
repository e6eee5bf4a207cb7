import { expect, test } from "vitest";
import { PinGuard } from "./pin-guard.ts";
import { Rehearsal } from "./rehearsal.ts";

const OPENPGP = "00a4040006d27600012401";
const PIV = "00a4040005a000000308";
const NOTHING = "00a4040006ffffffffffff";
const SIGNING = "0020008106303030303030";
const ALL_ELSE = "0020008206303030303030";

/** Somebody who may do anything but block the card. */
function user() {
  const rehearsal = new Rehearsal({ profile: "manage", guard: new PinGuard() });
  const bytes = (hex: string) => Buffer.from(hex, "hex");
  /** @returns whether it was let through. */
  return (command: string, answer = "9000"): boolean =>
    rehearsal.judge(bytes(command), bytes(answer)).isAllowed;
}

test.each([
  [SIGNING, ALL_ELSE],
  [ALL_ELSE, SIGNING],
])("the two references of OpenPGP's PIN have one number of tries: %s, %s", (one, other) => {
  const send = user();
  send(OPENPGP);
  expect(send(one, "63c1")).toBe(true);
  expect([one, other].map((command) => send(command))).toEqual([false, false]);
  // Also where nobody knows any more that it is OpenPGP.
  send(NOTHING, "6a82");
  expect([one, other].map((command) => send(command))).toEqual([false, false]);
});

test("what was told before the application was known may be about it", () => {
  const send = user();
  expect(send(ALL_ELSE, "63c1")).toBe(true);
  expect(send(SIGNING)).toBe(false);
  send(OPENPGP);
  expect(send(SIGNING)).toBe(false);
});

test("elsewhere the same references are two PINs", () => {
  const send = user();
  send(PIV);
  expect(send(SIGNING, "63c1")).toBe(true);
  expect(send(SIGNING)).toBe(false);
  expect(send(ALL_ELSE)).toBe(true);
});
