import { expect, test } from "vitest";
import type { Register } from "../../serve/records.ts";
import { identitiesTable, identityLines } from "./identities-screen.ts";

const NOW = Date.parse("2026-11-28T12:00:00Z");
const BEFORE = "2026-11-28T11:00:00.000Z";
const AFTER = "2026-11-28T13:00:00.000Z";
const LATER = "2026-11-28T14:00:00.000Z";

const key = (on: string, expires: string) => ({
  fingerprint: "0".repeat(64),
  on,
  created: BEFORE,
  expires,
});
const rights = { readers: [], profile: "use" as const, created: BEFORE };
const invitation = { ...rights, secret: "0".repeat(64) };

const register: Register = {
  identities: [
    { ...rights, name: "carol", keys: [key("c@home", BEFORE)] },
    { ...rights, name: "bob", revoked: BEFORE, keys: [] },
    {
      ...rights,
      name: "alice",
      readers: ["Yubi*"],
      keys: [key("a@\u001B[1m", AFTER), key("a@b", LATER)],
    },
  ],
  invitations: [
    { ...invitation, name: "dave", expires: AFTER },
    { ...invitation, name: "erin", expires: BEFORE },
    { ...invitation, name: "alice", expires: AFTER, used: BEFORE },
  ],
};

test("who may come in, who might, and who may not any more", () => {
  const lines = identityLines(register, NOW);
  expect(lines.map(({ name, state, expires }) => [name, state, expires])).toEqual([
    ["alice", "in", LATER],
    ["bob", "revoked", undefined],
    ["carol", "expired", BEFORE],
    ["dave", "invited", AFTER],
  ]);
});

test("as a table, without control characters of others", () => {
  expect(identitiesTable(identityLines(register, NOW)).split("\n")).toEqual([
    "NAME   STATE    UNTIL              PROFILE  READERS  COMPUTERS",
    "alice  in       2026-11-28 14:00Z  use      Yubi*    a@?[1m a@b",
    "bob    revoked                     use      all",
    "carol  expired  2026-11-28 11:00Z  use      all      c@home",
    "dave   invited  2026-11-28 13:00Z  use      all",
  ]);
});
