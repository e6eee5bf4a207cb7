import { describe, expect, test } from "vitest";
import { PivCard } from "../../software-cards/piv/card.ts";
import { emptyState } from "../../software-cards/piv/state.ts";
import { Rehearsal } from "../policy/rehearsal.ts";
import { readSerial } from "./read-serial.ts";
import { sources } from "./sources.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");

/** A card that knows these commands and no others, with what it was asked. */
function scripted(answers: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const transmit = async (apdu: Uint8Array): Promise<Uint8Array> => {
    const command = Buffer.from(apdu).toString("hex");
    asked.push(command);
    return hex(answers[command] ?? "6a82");
  };
  return { asked, transmit };
}

const SELECT = {
  yubiKey: "00a4040008a00000052747111700",
  otp: "00a4040007a000000527200100",
  piv: "00a4040009a0000003080000100000",
  openPgp: "00a4040006d2760001240100",
  pkcs15: "00a404000ca000000063504b43532d313500",
};

// The answers are written by hand, from the documents that sources.ts names.
test.each([
  [
    "a YubiKey, as it is printed on it",
    { [SELECT.yubiKey]: "352e372e319000", "001d000000": "0d 01020a3f 020400bc614e 030102 9000" },
    { serial: "12345678", from: "YubiKey" },
  ],
  [
    "an older one, whose answers have to be fetched",
    {
      [SELECT.otp]: "610a",
      "00c000000a": "04030701050000000000 9000",
      "0001100000": "6104",
      "00c0000004": "00000007 9000",
    },
    { serial: "7", from: "YubiKey OTP" },
  ],
  [
    "a PIV card that has a GUID only",
    {
      [SELECT.piv]: "61114f0600001000010079074f05a0000003089000",
      "00cb3fff055c035fc10200":
        "533b3019d4e739da739ced39ce739d836858210842108421c84210c3eb341000112233445566778899aabbccddeeff350832303330303130313e00fe009000",
    },
    { serial: "00112233445566778899aabbccddeeff", from: "PIV" },
  ],
  [
    "an OpenPGP card, by maker and number",
    { [SELECT.openPgp]: "9000", "00ca004f00": "d2760001240103040005 0000a1b2 0000 9000" },
    { serial: "0005:0000a1b2", from: "OpenPGP" },
  ],
  [
    "a card of ISO/IEC 7816-15, whose file is shorter than what was asked for",
    {
      [SELECT.pkcs15]: "9000",
      "00a4020c025032": "9000",
      "00b0000000": "300f 020101 04040123abcd 800444454d4f 6282",
    },
    { serial: "0123abcd", from: "PKCS #15" },
  ],
  [
    "the same where the length has to be right",
    {
      [SELECT.pkcs15]: "9000",
      "00a4020c025032": "9000",
      "00b0000000": "6c0b",
      "00b000000b": "3009 020101 04040123abcd 9000",
    },
    { serial: "0123abcd", from: "PKCS #15" },
  ],
])("it is read from %s", async (_what, answers, found) => {
  expect(await readSerial(scripted(answers).transmit)).toEqual(found);
});

test("the software card's is the one that its maker gave it", async () => {
  const card = new PivCard(emptyState(4_000_000_001));
  const found = await readSerial(async (apdu) => await card.process(apdu));
  expect(found).toEqual({ serial: "4000000001", from: "PIV with GET SERIAL" });
});

describe("there is none", () => {
  test.each([
    ["that knows nothing", {}],
    ["whose number is hidden", { [SELECT.yubiKey]: "9000", "001d000000": "04 01020a3f 9000" }],
    ["whose number is nought", { [SELECT.otp]: "9000", "0001100000": "000000009000" }],
    [
      "whose GUID is nought",
      { [SELECT.piv]: "9000", "00cb3fff055c035fc10200": `53123410${"00".repeat(16)}9000` },
    ],
    [
      "that has something else there",
      { [SELECT.yubiKey]: "9000", "001d000000": "ff0204 9000", [SELECT.pkcs15]: "9000" },
    ],
    [
      "whose maker left it out",
      { [SELECT.openPgp]: "9000", "00ca004f00": "d27600012401030400000000000000009000" },
    ],
  ])("for a card %s", async (_what, answers) => {
    const card = scripted(answers);
    expect(await readSerial(card.transmit)).toBeUndefined();
    expect(card.asked).toContain(SELECT.pkcs15); // it was asked for all
  });
});

test("what a card refuses to carry out is not asked again", async () => {
  const failed = readSerial(async () => {
    throw new Error("the card is mute");
  });
  await expect(failed).rejects.toThrow("the card is mute");
});

test.each(sources.map(({ name, commands }) => [name, commands] as const))(
  "who may only look may send all that %s takes",
  (_name, commands) => {
    const card = new Rehearsal({ profile: "look" });
    expect(commands.map((command) => card.judge(command).isAllowed)).toEqual(
      commands.map(() => true),
    );
  },
);
