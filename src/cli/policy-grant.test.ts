import { expect, test } from "vitest";
import type { Register } from "../serve/records.ts";
import { grantFor } from "./policy-grant.ts";

const at = "2026-11-28T12:00:00.000Z";
const identity = (name: string, more: object = {}) => ({
  name,
  readers: ["Yubi*"],
  profile: "manage" as const,
  created: at,
  keys: [],
  ...more,
});
const register: Register = {
  identities: [identity("alice"), identity("mallory", { revoked: at })],
  invitations: [],
};

test("who was invited has what he was invited to", () => {
  const asked = { as: "alice", reader: "YubiKey 00 00" };
  expect(grantFor(register, asked, {})).toEqual({ profile: "manage", remarks: [] });
  expect(grantFor(register, { as: "alice" }, {}).remarks).toEqual([]);
});

test.each([
  [{ as: "alice", reader: "Other 00 00" }, "manage", "alice does not see that reader, but Yubi*"],
  [{ as: "mallory" }, "look", "mallory was revoked, and is not let in"],
  [{ as: "bob" }, "use", "nobody called bob was let in here: judged as if with the profile use"],
])("what is not as it may seem is said: %o", (asked, profile, remark) => {
  expect(grantFor(register, asked, {})).toEqual({ profile, remarks: [remark] });
});

test("of users of this computer, and of members, the settings say it", () => {
  expect(grantFor(register, { as: "local:bob" }, {}).profile).toBe("use");
  expect(grantFor(register, { as: "local:bob" }, { local: "manage" }).profile).toBe("manage");
  expect(grantFor(register, { as: "local:bob" }, { local: "off" }).remarks).toHaveLength(1);
  expect(grantFor(register, { as: "bob" }, { profile: "look" }).profile).toBe("look");
});
