import { describe, expect, test } from "vitest";
import { explain } from "./decide.ts";
import type { Profile } from "./profiles.ts";
import { Rehearsal } from "./rehearsal.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const levels: readonly Profile[] = ["look", "use", "manage"];

/** The least profile that lets a command through once these were sent. */
function least(command: string, before: readonly string[] = []): Profile | "none" {
  const isAllowed = (profile: Profile) => {
    const card = new Rehearsal({ profile: "manage" });
    for (const one of before) card.judge(hex(one));
    return new Rehearsal({ profile, view: card.view }).judge(hex(command)).isAllowed;
  };
  return levels.find(isAllowed) ?? "none";
}

const PIV = "00a4040005a000000308";
const OPENPGP = "00a4040006d27600012401";
const GIDS = "00a404000ba000000397425446590201";
const OATH = "00a4040007a0000005272101";
const ISOAPPLET = "00a404000cf276a288bcfba69d34f31001";

describe.each([
  ["PIV", PIV],
  ["OpenPGP", OPENPGP],
  ["GIDS", GIDS],
  ["IsoApplet", ISOAPPLET],
  ["no application", undefined],
])("in %s", (_name, select) => {
  const before = select === undefined ? [] : [select];

  test.each<[what: string, command: string, profile: Profile]>([
    ["SELECT by name", "00a4040005a000000308", "look"],
    ["SELECT by name, with Le", "00a4040005a00000030800", "look"],
    ["SELECT of the master file", "00a40000023f00", "look"],
    ["SELECT by path", "00a4080c0450155031", "look"],
    ["READ BINARY", "00b0000000", "look"],
    ["READ RECORD", "00b2010400", "look"],
    ["GET DATA", "00cb3fff055c035fc10200", "look"],
    ["MANAGE CHANNEL", "0070000001", "use"],
    ["GET CHALLENGE", "0084000008", "use"],
    ["COMPUTE DIGITAL SIGNATURE", "002a9e9a02aabb00", "use"],
    ["DECIPHER", "002a80860300aabb00", "use"],
    ["INTERNAL AUTHENTICATE", "0088000002aabb00", "use"],
    ["MSE SET", "002241b606800112840181", "use"],
    ["MSE STORE", "0022f201", "manage"],
    ["CHANGE REFERENCE DATA", "0024008010313233343536ffff313233343536ffff", "manage"],
    ["RESET RETRY COUNTER", "002c008010313233343536ffff313233343536ffff", "manage"],
    ["PUT DATA", "00db3fff035c017e", "manage"],
    ["PUT DATA of one byte's tag", "00da01010101", "manage"],
    ["UPDATE BINARY", "00d600000101", "manage"],
    ["ERASE BINARY", "000e0000", "manage"],
    ["CREATE FILE", "00e00000026200", "manage"],
    ["DELETE FILE", "00e40000", "manage"],
    ["TERMINATE DF", "00e60000", "manage"],
    ["ACTIVATE FILE", "00440000", "manage"],
    ["EXTERNAL AUTHENTICATE", "0082000002aabb", "manage"],
    ["INITIALIZE UPDATE", "80500000081122334455667788", "manage"],
    [
      "GlobalPlatform's EXTERNAL AUTHENTICATE",
      "848201001011223344556677881122334455667788",
      "manage",
    ],
    ["INSTALL", "80e60200021234", "manage"],
    ["ENVELOPE", "00c2000004002000800", "manage"],
    ["a GENERATE that makes a key", "0047800002b600", "manage"],
    ["an unknown instruction", "0099000000", "manage"],
    ["a reserved class", "20b0000000", "manage"],
    ["a class of SIM cards", "a0a40000023f00", "manage"],
    ["GET DATA of GlobalPlatform", "80ca9f7f00", "look"],
    ["the number of a card without contacts", "ffca000000", "look"],
    ["other commands to the reader", "ff00000003d44a01", "manage"],
  ])("%s", (_what, command, profile) => {
    expect(least(command, before)).toBe(profile);
  });
});

test.each<[application: string, what: string, command: string, profile: Profile]>([
  [PIV, "VERIFY", "0020008008313233343536ffff", "use"],
  [PIV, "VERIFY that asks", "00200080", "look"],
  [PIV, "VERIFY that asks, with Le 0", "0020008000", "look"],
  [PIV, "VERIFY with Le and no data", "0020008008", "use"],
  [PIV, "VERIFY that logs out", "0020ff80", "use"],
  [PIV, "VERIFY of a reference that there is not", "00200001", "use"],
  [PIV, "signing", `0087119a247c2200${"00".repeat(33)}`, "use"],
  [PIV, "a part of signing", `1087079a10${"00".repeat(16)}`, "use"],
  [PIV, "a retired key", "00870795027c00", "use"],
  [PIV, "the management key", "0087039b047c028000", "manage"],
  [PIV, "the management key's challenge", "0087039b047c028100", "use"],
  [PIV, "a challenge of another key", "008711f9047c028100", "manage"],
  [PIV, "the answer to it", "0087039b0c7c0a82081122334455667788", "manage"],
  [PIV, "the attestation key", "008711f9027c00", "manage"],
  [PIV, "GENERATE", "0047009a05ac03800111", "manage"],
  [PIV, "MOVE KEY", "00f6829a", "manage"],
  [PIV, "GET METADATA", "00f7009a00", "look"],
  [PIV, "GET SERIAL", "00f8000000", "look"],
  [PIV, "ATTEST", "00f99a0000", "use"],
  [PIV, "SET PIN RETRIES", "00fa0505", "manage"],
  [PIV, "RESET", "00fb0000", "manage"],
  [PIV, "GET VERSION", "00fd000000", "look"],
  [PIV, "IMPORT", "00fe119a020600", "manage"],
  [PIV, "SET MANAGEMENT KEY", "00ffffff03039b00", "manage"],
  [OPENPGP, "VERIFY for signing", "0020008106313233343536", "use"],
  [OPENPGP, "VERIFY for all else", "0020008206313233343536", "use"],
  [OPENPGP, "VERIFY that asks", "00200081", "look"],
  [OPENPGP, "VERIFY of the administrator's PIN", "00200083083132333435363738", "manage"],
  [OPENPGP, "VERIFY that asks for the administrator's", "00200083", "look"],
  [OPENPGP, "reading a public key", "0047810002b60000", "look"],
  [OPENPGP, "making a key", "0047800002b60000", "manage"],
  [OPENPGP, "GET DATA", "00ca006e00", "look"],
  [OPENPGP, "GET NEXT DATA", "00cc7f2100", "look"],
  [OPENPGP, "SELECT DATA", "00a5010406600 45c027f21".replaceAll(" ", ""), "look"],
  [OPENPGP, "PUT DATA", "00da5b0003414243", "manage"],
  [OPENPGP, "TERMINATE", "00e60000", "manage"],
  [OPENPGP, "SET PIN RETRIES", "00f2000003030303", "manage"],
  [OPENPGP, "another instruction of PIV's", "00fb0000", "manage"],
  [GIDS, "VERIFY", "0020008006313233343536", "use"],
  [GIDS, "the administrator's key", "008700000c7c0a8108112233445566778800", "manage"],
  [GIDS, "reading a public key", "00cb3fff0a70088401 81a5037f498000".replaceAll(" ", ""), "look"],
  [OATH, "LIST", "00a10000", "look"],
  [OATH, "CALCULATE", "00a20001057103414243", "use"],
  [OATH, "CALCULATE ALL", "00a400010a74080000000000000001", "use"],
  [OATH, "DELETE", "00020000057103414243", "manage"],
  [OATH, "RESET", "0004dead", "manage"],
  [ISOAPPLET, "VERIFY", "00200001083132333435363738", "use"],
  [ISOAPPLET, "VERIFY that asks: some cards count it", "00200001", "use"],
  [ISOAPPLET, "internal GENERAL AUTHENTICATE", "00870000087c06820081021122", "use"],
  [ISOAPPLET, "external GENERAL AUTHENTICATE", "00870000067c0482021122", "manage"],
  [ISOAPPLET, "GENERAL AUTHENTICATE that asks for a challenge", "00870000047c028100", "manage"],
  [ISOAPPLET, "GENERAL AUTHENTICATE in parts", "10870000047c0a8108", "manage"],
])("%s: %s", (application, _what, command, profile) => {
  expect(least(command, [application])).toBe(profile);
});

test.each<[what: string, command: string, profile: Profile]>([
  ["GET VERSION of PIV", "00fd000000", "manage"],
  ["VERIFY that asks", "00200080", "use"],
  ["VERIFY", "0020000108313233343536ffff", "use"],
  ["VERIFY of what is the administrator's in OpenPGP", "00200083083132333435363738", "manage"],
  ["the management key of PIV", "0087039b047c028000", "manage"],
  ["PIV's signing, in parts", `1087079a10${"00".repeat(16)}`, "manage"],
  ["OATH's CALCULATE ALL", "00a400010a74080000000000000001", "use"],
])("where nobody knows the application, %s takes what it takes most", (_what, command, profile) => {
  expect(least(command)).toBe(profile);
});

test("the verdict says why, and what it takes", () => {
  const card = new Rehearsal({ profile: "look" });
  expect(explain(card.judge(hex(PIV)))).toBe("SELECT: allowed by the profile look");
  expect(explain(card.judge(hex("0087039b047c028000")))).toBe(
    "GENERAL AUTHENTICATE with the management key: denied by the profile look; it takes the profile manage, or a rule",
  );
});
