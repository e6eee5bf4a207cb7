import { expect, test } from "vitest";
import { Flag } from "../../wire/link/frames.ts";
import { Fetched } from "./fetched.ts";

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const command = bytes("00cb3fff055c035fc105");
const more = bytes("61 20".replace(" ", ""));

/** A program that has asked once as most do. */
function learned(): Fetched {
  const fetched = new Fetched();
  expect(fetched.flags(command)).toBe(0);
  expect(fetched.take(command)).toBeUndefined();
  fetched.see(more);
  expect(fetched.take(bytes("00c0000020"))).toBeUndefined();
  fetched.see(bytes("9000"));
  return fetched;
}

test("is done for a program that has asked once, in the same class", () => {
  expect(learned().flags(command)).toBe(Flag.Fetch);
  expect(learned().flags(bytes("0ccb3fff00"))).toBe(0);
  expect(learned().flags(bytes("84cb3fff00"))).toBe(0);
});

test("a program that asks otherwise has not taught it", () => {
  for (const other of ["00c0000010", "00c0010020", "00c00000", "0cc0000020", "00b0000020"]) {
    const fetched = new Fetched();
    fetched.see(more);
    fetched.take(bytes(other));
    expect(fetched.flags(command)).toBe(0);
  }
});

test("is given for exactly those bytes, once", () => {
  const fetched = learned();
  fetched.see(more, [bytes("01029000")]);
  expect(fetched.take(bytes("00c0000020"))).toEqual(bytes("01029000"));
  expect(fetched.take(bytes("00c0000020"))).toBeUndefined();
});

test("any other command lets go of it", () => {
  const fetched = learned();
  fetched.see(more, [bytes("01029000")]);
  expect(fetched.take(command)).toBeUndefined();
  fetched.see(bytes("9000"));
  expect(fetched.take(bytes("00c0000020"))).toBeUndefined();
  expect(fetched.flags(command)).toBe(Flag.Fetch);
});

test("who asks for bytes that are gone hears 6F00, and is not helped again", () => {
  for (const other of ["80c0000020", "00c0000010"]) {
    const fetched = learned();
    fetched.see(more, [bytes("01029000")]);
    expect(fetched.take(bytes(other))).toEqual(bytes("6f00"));
    expect(fetched.flags(command)).toBe(0);
  }
});

test("who asks for all that there is teaches it, and is given it", () => {
  const fetched = new Fetched();
  fetched.see(more);
  expect(fetched.take(bytes("00c0000000"))).toBeUndefined();
  fetched.see(bytes("9000"));
  expect(fetched.flags(command)).toBe(Flag.Fetch);
  fetched.see(more, [bytes("01029000")]);
  expect(fetched.take(bytes("00c0000000"))).toEqual(bytes("01029000"));
});

test("a chain is given link by link", () => {
  const fetched = learned();
  fetched.see(more, [bytes("01026110"), bytes("03046108")]);
  expect(fetched.take(bytes("00c0000020"))).toEqual(bytes("01026110"));
  expect(fetched.take(bytes("00c0000010"))).toEqual(bytes("03046108"));
  expect(fetched.take(bytes("00c0000008"))).toBeUndefined();
});

test("what is left of a chain is gone with any other command", () => {
  const fetched = learned();
  fetched.see(more, [bytes("01026110"), bytes("03049000")]);
  fetched.take(bytes("00c0000020"));
  fetched.take(command);
  fetched.see(more);
  expect(fetched.take(bytes("00c0000020"))).toBeUndefined();
});
