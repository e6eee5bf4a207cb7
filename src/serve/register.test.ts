import { describe, expect, test } from "vitest";
import type { Register } from "./records.ts";
import {
  admitted,
  goodInvitation,
  withGuest,
  withInvitation,
  withoutIdentity,
  withRenewal,
} from "./register.ts";

const NOW = Date.parse("2026-11-28T12:00:00Z");
const HOUR = 3_600_000;
const nobody: Register = { identities: [], invitations: [] };
const order = { name: "alice", readers: ["Yubi*"], profile: "use", expires: NOW + HOUR } as const;
const key = { fingerprint: "11", on: "laptop", expires: NOW + 24 * HOUR };

const invited = (secret = "aa", from = nobody) => withInvitation(from, { ...order, secret }, NOW);
const joined = () => withGuest(invited(), "aa", key, NOW);
const alice = { name: "alice", fingerprint: "11" };

describe("an invitation", () => {
  test("is good once", () => {
    expect(goodInvitation(invited(), "aa", NOW)).toMatchObject({ name: "alice", profile: "use" });
    const message = "the token was used already";
    expect(() => goodInvitation(joined(), "aa", NOW)).toThrow(message);
    expect(() => withGuest(joined(), "aa", key, NOW)).toThrow(message);
  });

  test("expires", () => {
    expect(() => goodInvitation(invited(), "aa", NOW + HOUR)).toThrow("the token has expired");
    const later = withInvitation(invited(), { ...order, secret: "bb" }, NOW + 40 * 24 * HOUR);
    expect(later.invitations.map(({ secret }) => secret)).toEqual(["bb"]);
  });

  test("is nobody else's", () => {
    expect(() => goodInvitation(invited(), "ab", NOW)).toThrow("no such invitation");
  });
});

describe("an identity", () => {
  test("comes in with its key until that expires, and with no other", () => {
    expect(admitted(joined(), alice, NOW)).toMatchObject({ name: "alice", readers: ["Yubi*"] });
    expect(() => admitted(joined(), { ...alice, fingerprint: "12" }, NOW)).toThrow(/not one of/);
    expect(() => admitted(joined(), { ...alice, name: "bob" }, NOW)).toThrow(/not one of bob's/);
    expect(() => admitted(joined(), alice, key.expires)).toThrow(/has expired/);
  });

  test("has a later end after a renewal", () => {
    const renewed = withRenewal(joined(), { ...alice, expires: key.expires + HOUR });
    expect(admitted(renewed, alice, key.expires)).toMatchObject({ name: "alice" });
  });

  test("may have several computers, and the last invitation says what it may do", () => {
    const again = withInvitation(joined(), { ...order, secret: "bb", profile: "look" }, NOW);
    const two = withGuest(again, "bb", { ...key, fingerprint: "22" }, NOW);
    for (const fingerprint of ["11", "22"])
      expect(admitted(two, { name: "alice", fingerprint }, NOW).profile).toBe("look");
  });

  test("gets nothing back by an invitation that is older than the last", () => {
    const manage = withInvitation(nobody, { ...order, secret: "aa", profile: "manage" }, NOW);
    const both = withInvitation(manage, { ...order, secret: "bb", profile: "look" }, NOW + 1);
    const one = withGuest(both, "bb", key, NOW + 2);
    const two = withGuest(one, "aa", { ...key, fingerprint: "22" }, NOW + 3);
    for (const fingerprint of ["11", "22"])
      expect(admitted(two, { name: "alice", fingerprint }, NOW + 4).profile).toBe("look");
  });

  test("that is revoked does not come in, nor do those whom it could have invited", () => {
    const revoked = withoutIdentity(invited("bb", joined()), "alice", NOW);
    expect(() => admitted(revoked, alice, NOW)).toThrow("the identity alice was revoked");
    expect(() => goodInvitation(revoked, "bb", NOW)).toThrow("no such invitation");
  });

  test("that was revoked comes back with a new invitation and a new key only", () => {
    const revoked = withoutIdentity(joined(), "alice", NOW);
    const back = withGuest(invited("bb", revoked), "bb", { ...key, fingerprint: "22" }, NOW);
    expect(admitted(back, { ...alice, fingerprint: "22" }, NOW).revoked).toBeUndefined();
    expect(() => admitted(back, alice, NOW)).toThrow(/not one of alice's/);
  });

  test("that nobody knows cannot be revoked", () => {
    expect(() => withoutIdentity(joined(), "bob", NOW)).toThrow("there is no identity bob");
  });
});
