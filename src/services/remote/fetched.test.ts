import { expect, test } from "vitest";
import { Flag } from "../../wire/link/frames.ts";
import { Fetched } from "./fetched.ts";

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const command = bytes("00cb3fff055c035fc105");
/** As a driver that leaves the program's receive PCI, 1, as it is. */
const answer = (hex: string) => ({ data: bytes(hex), receiveProtocol: 1 });

const now = { protocol: 2, mark: 0 };

/** A program that has asked once as most do. */
function learned(): Fetched {
  const fetched = new Fetched();
  expect(fetched.flags(command)).toBe(0);
  expect(fetched.take(command, now)).toBeUndefined();
  fetched.see(answer("6120"), now);
  expect(fetched.take(bytes("00c0000020"), now)).toBeUndefined();
  fetched.see(answer("9000"), now);
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
    fetched.see(answer("6120"), now);
    fetched.take(bytes(other), now);
    expect(fetched.flags(command)).toBe(0);
  }
});

test("is given for exactly those bytes, once", () => {
  const fetched = learned();
  fetched.see(answer("6120"), now, [bytes("01029000")]);
  expect(fetched.take(bytes("00c0000020"), now)).toEqual(answer("01029000"));
  expect(fetched.take(bytes("00c0000020"), now)).toBeUndefined();
});

test("any other command lets go of it", () => {
  const fetched = learned();
  fetched.see(answer("6120"), now, [bytes("01029000")]);
  expect(fetched.take(command, now)).toBeUndefined();
  fetched.see(answer("9000"), now);
  expect(fetched.take(bytes("00c0000020"), now)).toBeUndefined();
  expect(fetched.flags(command)).toBe(Flag.Fetch);
});

test("who asks for bytes that are gone hears 6F00, and is not helped again", () => {
  for (const other of ["80c0000020", "00c0000010"]) {
    const fetched = learned();
    fetched.see(answer("6120"), now, [bytes("01029000")]);
    expect(fetched.take(bytes(other), now)).toEqual(answer("6f00"));
    expect(fetched.flags(command)).toBe(0);
  }
});

test("who asks for all that there is teaches it, and is given it", () => {
  const fetched = new Fetched();
  fetched.see(answer("6120"), now);
  expect(fetched.take(bytes("00c0000000"), now)).toBeUndefined();
  fetched.see(answer("9000"), now);
  expect(fetched.flags(command)).toBe(Flag.Fetch);
  fetched.see(answer("6120"), now, [bytes("01029000")]);
  expect(fetched.take(bytes("00c0000000"), now)).toEqual(answer("01029000"));
});

test("a chain is given link by link", () => {
  const fetched = learned();
  fetched.see(answer("6120"), now, [bytes("01026110"), bytes("03046108")]);
  expect(fetched.take(bytes("00c0000020"), now)).toEqual(answer("01026110"));
  expect(fetched.take(bytes("00c0000010"), now)).toEqual(answer("03046108"));
  expect(fetched.take(bytes("00c0000008"), now)).toBeUndefined();
});

test("what is left of a chain is gone with any other command", () => {
  const fetched = learned();
  fetched.see(answer("6120"), now, [bytes("01026110"), bytes("03049000")]);
  fetched.take(bytes("00c0000020"), now);
  fetched.take(command, now);
  fetched.see(answer("6120"), now);
  expect(fetched.take(bytes("00c0000020"), now)).toBeUndefined();
});

test("another card, or another protocol, has to answer for itself", () => {
  for (const then of [
    { ...now, mark: 1 },
    { ...now, mark: -1 },
    { ...now, protocol: 1 },
  ]) {
    const fetched = learned();
    fetched.see(answer("6120"), now, [bytes("01029000")]);
    expect(fetched.take(bytes("00c0000020"), then)).toBeUndefined();
    expect(fetched.flags(command)).toBe(Flag.Fetch);
  }
});
