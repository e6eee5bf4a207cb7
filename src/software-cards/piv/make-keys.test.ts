import { createPublicKey, generateKeyPairSync, privateDecrypt, publicEncrypt } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { type SelectedCard, selectedCard } from "../../../test/piv/selected-card.ts";
import { encodeCommand } from "../../wire/iso7816/apdu.ts";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { loadKey } from "./keys.ts";

let alice: SelectedCard;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Buffer.from(text, "hex");
const say = (command: string) => alice.say(command);
const letIn = () => alice.letIn();

beforeEach(async () => void (alice = await selectedCard()));

function publicKeyOf(slot: number) {
  const key = alice.card.state.keys.get(slot);
  if (!key) throw new Error("there is none");
  return createPublicKey(loadKey(key));
}

describe("GENERATE ASYMMETRIC KEY PAIR", () => {
  beforeEach(letIn);

  test("of P-256 gives its point, and keeps the rule of the slot", async () => {
    const said = await say("0047009e05ac0380011100");
    const { x = "", y = "" } = publicKeyOf(0x9e).export({ format: "jwk" });
    const point = hex(Buffer.concat([x, y].map((text) => Buffer.from(text, "base64url"))));
    expect(said).toBe(`7f4943864104${point}9000`);
    expect(alice.card.state.keys.get(0x9e)).toMatchObject({ pinPolicy: 1, origin: "generated" });
  });

  test("of RSA gives modulus and exponent, in pieces", async () => {
    const first = await say("0047008205ac0380010700");
    expect(first).toMatch(/^7f4982010981820100.{494}610e$/);
    expect(await say("00c000000e")).toMatch(/^.{18}82030100019000$/);
    expect(publicKeyOf(0x82).asymmetricKeyDetails?.modulusLength).toBe(2048);
  });

  test.each([
    ["Ed25519", "0047008205ac038001e000", /^7f49228620.{64}9000$/],
    ["with a policy", "0047008208ac06800111aa010300", /^7f4943.*9000$/],
    ["and no touch", "0047008208ac06800111ab010100", /^7f4943.*9000$/],
    ["with a touch", "0047008208ac06800111ab010200", /^6a81$/],
    ["with a policy that is none", "0047008208ac06800111aa010400", /^6a80$/],
    ["with a policy of two bytes", "0047008209ac07800111aa02010100", /^6a80$/],
    ["of an unknown algorithm", "0047009a05ac0380011200", /^6a80$/],
    ["of no algorithm", "0047009a02ac0000", /^6a80$/],
    ["without a template", "0047009a0380011100", /^6a80$/],
    ["in a slot that is none", "0047009b05ac0380011100", /^6a86$/],
    ["with another P1", "0047019a05ac0380011100", /^6a86$/],
  ])("%s", async (_what, command, expected) => {
    expect(await say(command)).toMatch(expected);
  });
});

describe("IMPORT ASYMMETRIC KEY", () => {
  beforeEach(letIn);

  const part = (tag: number, text: string | undefined) =>
    encodeTlv(tag, Buffer.from(text ?? "", "base64url"));
  const put = async (algorithm: number, ...parts: readonly Uint8Array[]) => {
    const data = Buffer.concat(parts);
    return hex(
      await alice.card.process(encodeCommand({ cla: 0, ins: 0xfe, p1: algorithm, p2: 0x82, data })),
    );
  };
  const ec = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const spki = (key: { export(how: { type: "spki"; format: "der" }): Buffer }) =>
    hex(key.export({ type: "spki", format: "der" }));

  test("takes a scalar", async () => {
    const { d } = ec.privateKey.export({ format: "jwk" });
    expect(await put(0x14, part(0x06, d))).toBe("9000");
    expect(spki(publicKeyOf(0x82))).toBe(spki(ec.publicKey));
    expect(alice.card.state.keys.get(0x82)).toMatchObject({ origin: "imported", pinPolicy: 2 });
  });

  test("takes two primes, and makes the rest itself", async () => {
    const { p, q } = rsa.privateKey.export({ format: "jwk" });
    expect(
      await put(0x06, part(1, p), part(2, q), part(3, "AA"), Buffer.from("aa0101", "hex")),
    ).toBe("9000");
    expect(spki(publicKeyOf(0x82))).toBe(spki(rsa.publicKey));
    expect(alice.card.state.keys.get(0x82)?.pinPolicy).toBe(1);
    // What was made fits: what the public half encrypts, the private one decrypts.
    await say("0020008008313233343536ffff");
    const key = loadKey(alice.card.state.keys.get(0x82) as never);
    expect(privateDecrypt(key, publicEncrypt(rsa.publicKey, Buffer.from("hello")))).toEqual(
      Buffer.from("hello"),
    );
  });

  // RFC 8032, 7.1, test 1.
  test("takes an Ed25519 secret", async () => {
    const secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    expect(await put(0xe0, encodeTlv(0x07, bytes(secret)))).toBe("9000");
    const { x = "" } = publicKeyOf(0x82).export({ format: "jwk" });
    const expected = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    expect(hex(Buffer.from(x, "base64url"))).toBe(expected);
  });

  test("takes an X25519 secret", async () => {
    const pair = generateKeyPairSync("x25519");
    expect(await put(0xe1, part(0x08, pair.privateKey.export({ format: "jwk" }).d))).toBe("9000");
    expect(spki(publicKeyOf(0x82))).toBe(spki(pair.publicKey));
  });

  test.each([
    ["a scalar of 0", 0x11, "0620" + "00".repeat(32)],
    ["one that is not below the order", 0x11, "0620" + "ff".repeat(32)],
    ["too long a scalar", 0x11, "0621" + "01".repeat(33)],
    ["no scalar", 0x11, "0101ff"],
    ["primes that are none", 0x06, `0140${"ff".repeat(64)}0240${"fd".repeat(64)}`],
    ["primes that are too short", 0x06, "0101070201 05"],
    ["too short a secret", 0xe0, "0703010203"],
    ["what is broken", 0x11, "0620ff"],
    ["a touch", 0x11, `0620${"01".repeat(32)}ab0103`],
  ])("refuses %s", async (_what, algorithm, data) => {
    const sw = await put(algorithm, bytes(data.replaceAll(" ", "")));
    expect(sw).toBe(data.endsWith("ab0103") ? "6a81" : "6a80");
    expect(alice.card.state).toBe(alice.provisioned);
  });

  test("refuses slots and algorithms that are none", async () => {
    expect(await say(`00fe119b220620${"01".repeat(32)}`)).toBe("6a86");
    expect(await say(`00fe1282220620${"01".repeat(32)}`)).toBe("6a86");
  });
});
