import { createPublicKey, X509Certificate } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { type SelectedCard, selectedCard } from "../../../test/piv/selected-card.ts";
import { findTlv } from "../../wire/iso7816/tlv.ts";
import { loadKey } from "./keys.ts";

let alice: SelectedCard;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Buffer.from(text, "hex");
const say = (command: string) => alice.say(command);
const letIn = () => alice.letIn();
const answer = async (command: Uint8Array): Promise<Buffer> => {
  const said = Buffer.from(await alice.card.process(command));
  expect(hex(said.subarray(-2))).toBe("9000");
  return said.subarray(0, -2);
};

beforeEach(async () => void (alice = await selectedCard()));

describe("what everybody may know", () => {
  test("version and serial number", async () => {
    expect(await say("00fd000000")).toBe("0507019000");
    const serial = alice.provisioned.serial.toString(16).padStart(8, "0");
    expect(await say("00f8000000")).toBe(`${serial}9000`);
  });

  test.each([
    ["of the PIN", "00f7008000", "0101ff0501010602030 39000"],
    ["of the PUK", "00f7008100", "0101ff0501010602030 39000"],
    ["of the management key", "00f7009b00", "01010802020001050100 9000"],
    ["of an empty slot", "00f7008200", "6a88"],
    ["of what is no slot", "00f7007700", "6a88"],
    ["with another P1", "00f7019a00", "6b00"],
    ["of the version, with parameters", "00fd000100", "6b00"],
    ["of the serial number, with parameters", "00f8010000", "6b00"],
  ])("metadata %s", async (_what, command, expected) => {
    expect(await say(command)).toBe(expected.replaceAll(" ", ""));
  });

  test("metadata of a PIN that was wrong once", async () => {
    await say("0020008008313233343537ffff");
    expect(await say("00f7008000")).toBe("0101ff050101060203029000");
  });

  test("metadata of a key", async () => {
    const metadata = await answer(bytes("00f7009c00"));
    expect(hex(findTlv(metadata, 1) ?? bytes(""))).toBe("11");
    expect(hex(findTlv(metadata, 2) ?? bytes(""))).toBe("0301");
    expect(hex(findTlv(metadata, 3) ?? bytes(""))).toBe("01");
    const { x = "", y = "" } = publicKeyOf(0x9c).export({ format: "jwk" });
    const point = `04${hex(Buffer.from(x, "base64url"))}${hex(Buffer.from(y, "base64url"))}`;
    expect(hex(findTlv(metadata, 4) ?? bytes(""))).toBe(`8641${point}`);
  });
});

function publicKeyOf(slot: number) {
  const key = alice.card.state.keys.get(slot);
  if (!key) throw new Error("there is none");
  return createPublicKey(loadKey(key));
}

describe("without the management key", () => {
  test.each([
    ["GENERATE ASYMMETRIC KEY PAIR", "0047009a05ac0380011100"],
    ["IMPORT ASYMMETRIC KEY", `00fe119a220620${"01".repeat(32)}`],
    ["SET PIN RETRIES", "00fa0303"],
    ["MOVE KEY", "00f6829a"],
  ])("%s is refused", async (_what, command) => {
    expect(await say(command)).toBe("6982");
  });
});

describe("SET PIN RETRIES", () => {
  test("wants the PIN, too, and gives both the well-known values", async () => {
    await letIn();
    expect(await say("00fa0504")).toBe("6982");
    await say("0020008008313233343536ffff");
    expect(await say("00fa0504")).toBe("9000");
    expect(await say("00200080")).toBe("63c5");
    expect(await say("00f7008100")).toBe("0101ff050101060204049000");
    expect(await say("00fa0000")).toBe("6a86");
    expect(await say("00fa1003")).toBe("6a86");
  });
});

describe("RESET", () => {
  test("waits until both are blocked, and leaves what attests", async () => {
    expect(await say("00fb0000")).toBe("6985");
    for (let i = 0; i < 3; i++) await say("0020008008313233343537ffff");
    expect(await say("00fb0000")).toBe("6985");
    for (let i = 0; i < 3; i++) await say("002c0080103132333435363739313233343536ffff");
    expect(await say("00fb0001")).toBe("6b00");
    expect(await say("00fb0000")).toBe("9000");
    expect([...alice.card.state.keys.keys()]).toEqual([0xf9]);
    expect([...alice.card.state.objects.keys()]).toEqual([0x5fff01]);
    expect(await say("00200080")).toBe("63c3");
    expect(alice.card.state.serial).toBe(alice.provisioned.serial);
  });
});

describe("MOVE KEY", () => {
  beforeEach(letIn);

  test("moves and deletes", async () => {
    const before = alice.card.state.keys.get(0x9a);
    expect(await say("00f6829a")).toBe("9000");
    expect(alice.card.state.keys.get(0x82)).toBe(before);
    expect(await say("00f6ff82")).toBe("9000");
    expect(alice.card.state.keys.has(0x82)).toBe(false);
  });

  test.each([
    ["from an empty slot", "00f68283", "6a88"],
    ["onto another key", "00f69c9a", "6a80"],
    ["to what is no slot", "00f6809a", "6a86"],
    ["to the attestation's", "00f6f99a", "6a86"],
    ["to itself", "00f69a9a", "6a86"],
  ])("%s", async (_what, command, sw) => {
    expect(await say(command)).toBe(sw);
  });
});

describe("ATTEST", () => {
  const attest = bytes("00f99c00000000"); // all of it at once

  test("certifies a key that the card made", async () => {
    const statement = new X509Certificate(await answer(attest));
    const issuer = new X509Certificate(
      findTlv(alice.card.state.objects.get(0x5fff01) ?? bytes(""), 0x70) ?? bytes(""),
    );
    expect(statement.verify(issuer.publicKey)).toBe(true);
    expect(statement.checkIssued(issuer)).toBe(true);
    expect(issuer.ca).toBe(true);
    expect(statement.publicKey.equals(publicKeyOf(0x9c))).toBe(true);
    // Yubico's statements: firmware, serial number, policies.
    const raw = hex(statement.raw);
    const arc = "060a2b0601040182c40a03";
    const serial = alice.provisioned.serial.toString(16).padStart(8, "0") ?? "";
    expect(raw).toContain(`${arc}030403050701`);
    expect(raw).toMatch(new RegExp(`${arc}0704..02..(00)?${serial.replace(/^(00)+/, "")}`));
    expect(raw).toContain(`${arc}0804020301`);
  });

  test("not one that was imported, nor one that is not there", async () => {
    await letIn();
    expect(await say(`00fe119a220620${"01".repeat(32)}`)).toBe("9000");
    expect(await say("00f99a0000")).toBe("6a80");
    expect(await say("00f9820000")).toBe("6a88");
    expect(await say("00f9f90000")).toBe("6b00");
    expect(await say("00f99a0100")).toBe("6b00");
  });

  test("not with a key that cannot sign", async () => {
    await letIn();
    expect(await say(`00fee1f9220820${"01".repeat(32)}`)).toBe("9000");
    expect(await say("00f99c0000")).toBe("6985");
  });

  test("not with a certificate that is none", async () => {
    await letIn();
    expect(await say("00db3fff0b5c035fff01530470023000")).toBe("9000");
    expect(await say("00f99c0000")).toBe("6985");
  });
});
