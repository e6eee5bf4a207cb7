import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isAnyAddress, isHostAddress, withPort } from "./host-address.ts";

test.each(["cardhost", "a.b-c.example", "192.0.2.7", "2001:db8::7", "::1", "my_host", "1"])(
  "%s is a host",
  (text) => {
    expect(isHostAddress(text)).toBe(true);
  },
);

test.each([
  "",
  ".",
  "a..b",
  "-a",
  "a-",
  "a b",
  "a/b",
  "[::1]",
  "a:1",
  "fe80::1%eth0",
  "ä",
  "a\n",
  `${"a".repeat(64)}.b`,
  "a.".repeat(127),
])("%j is none", (text) => {
  expect(isHostAddress(text)).toBe(false);
});

test.each(["0.0.0.0", "::", "::0", "0:0:0:0:0:0:0:0", "0"])(
  "%s is no address of one computer",
  (text) => {
    expect(isAnyAddress(text)).toBe(true);
  },
);

test.each(["::1", "127.0.0.1", "10.0.0.0", "0xyz"])("%s is one", (text) => {
  expect(isAnyAddress(text)).toBe(false);
});

test("whatever the standards allow is one", () => {
  fc.assert(
    fc.property(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()), (text) => {
      expect(isHostAddress(text)).toBe(true);
    }),
  );
});

test("a port stands behind the brackets of IPv6", () => {
  expect(withPort("cardhost", 1)).toBe("cardhost:1");
  expect(withPort("::1", 1)).toBe("[::1]:1");
});
