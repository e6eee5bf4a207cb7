import { expect, test } from "vitest";
import { checkDestination } from "./destination.ts";

test.each([
  "cardhost",
  "me@cardhost",
  "ssh://me@cardhost:2222",
  "ssh://[::1]:22",
  "fe80::1%eth0",
  "me@corp@jump.example",
  String.raw`CORP\me@cardhost`,
])("%s is a destination", (destination) => {
  expect(() => checkDestination(destination)).not.toThrow();
});

test.each([
  "",
  "-oProxyCommand=touch /tmp/x",
  "-v",
  "me@-v",
  "-l@host",
  "ssh://-v",
  "ssh://",
  "me@",
  "a b",
  "a\nb",
  "a\u0000b",
  "a\u200bb",
  "$(id)",
  "`id`@host",
  "host;id",
  "me\\@host",
  "a|b",
])("%j is refused", (destination) => {
  expect(() => checkDestination(destination)).toThrow(expect.objectContaining({ code: "E_WHERE" }));
});
