import {
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  constants,
  verify,
} from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { encodeCommand } from "../../wire/iso7816/apdu.ts";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { Algorithm } from "./algorithms.ts";
import { PivCard } from "./card.ts";
import { storeKey } from "./keys.ts";
import { defaultPinPolicy, PinPolicy } from "./slots.ts";
import { emptyState, type StoredKey } from "./state.ts";

const SELECT = "00a4040005a000000308";
const VERIFY = "0020008008313233343536ffff";

let card: PivCard;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const say = async (command: string): Promise<string> =>
  hex(await card.process(Buffer.from(command, "hex")));

const stored = (key: KeyObject, algorithm: Algorithm, pinPolicy: PinPolicy): StoredKey => ({
  algorithm,
  privateKey: storeKey(key),
  pinPolicy,
  origin: "generated",
});

// RSA-1024 stands for the longer ones: the same code, and soon made. The programs of test/interop use RSA-2048.
const pairs = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 1024 }),
  p256: generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
  p384: generateKeyPairSync("ec", { namedCurve: "secp384r1" }),
  ed25519: generateKeyPairSync("ed25519"),
  x25519: generateKeyPairSync("x25519"),
};

const slots: readonly (readonly [slot: number, algorithm: Algorithm, KeyObject])[] = [
  [0x9a, Algorithm.Rsa1024, pairs.rsa.privateKey],
  [0x9c, Algorithm.EccP256, pairs.p256.privateKey],
  [0x9d, Algorithm.EccP384, pairs.p384.privateKey],
  [0x9e, Algorithm.EccP256, pairs.p256.privateKey],
  [0x82, Algorithm.Ed25519, pairs.ed25519.privateKey],
  [0x83, Algorithm.X25519, pairs.x25519.privateKey],
];

beforeEach(async () => {
  const keys = new Map(
    slots.map(([slot, algorithm, key]) => [slot, stored(key, algorithm, defaultPinPolicy(slot))]),
  );
  card = new PivCard({ ...emptyState(1), keys });
  await say(SELECT);
});

/** GENERAL AUTHENTICATE in one extended command. @returns the result, or the status word. */
async function use(slot: number, algorithm: number, tag: number, value: Uint8Array) {
  const data = encodeTlv(0x7c, encodeTlv(0x82), encodeTlv(tag, value));
  const command = encodeCommand({ cla: 0, ins: 0x87, p1: algorithm, p2: slot, data, le: 65_536 });
  const answer = Buffer.from(await card.process(command));
  if (answer.length === 2) return hex(answer);
  expect(hex(answer.subarray(-2))).toBe("9000");
  const result = answer.subarray(0, -2);
  // One template with one response in it, whatever its length.
  const [, long, value_] = /^7c(?:81)?..82(81)?..(.*)$/.exec(hex(result)) ?? [];
  expect(long === undefined || result.length > 130).toBe(true);
  return Buffer.from(value_ ?? "", "hex");
}
const CHALLENGE = 0x81;
const POINT = 0x85;
const digest = createHash("sha256").update("message").digest();

describe("when a key wants the PIN", () => {
  test("9E never does", async () => {
    expect(await use(0x9e, 0x11, CHALLENGE, digest)).toBeInstanceOf(Buffer);
  });

  test("9A wants it once", async () => {
    const block = new Uint8Array(128).fill(1);
    expect(await use(0x9a, 0x06, CHALLENGE, block)).toBe("6982");
    await say(VERIFY);
    expect(await use(0x9a, 0x06, CHALLENGE, block)).toBeInstanceOf(Buffer);
    expect(await use(0x9a, 0x06, CHALLENGE, block)).toBeInstanceOf(Buffer);
    await say("0020ff80");
    expect(await use(0x9a, 0x06, CHALLENGE, block)).toBe("6982");
  });

  test("9C wants it right before, each time", async () => {
    expect(await use(0x9c, 0x11, CHALLENGE, digest)).toBe("6982");
    await say(VERIFY);
    expect(await use(0x9c, 0x11, CHALLENGE, digest)).toBeInstanceOf(Buffer);
    expect(await use(0x9c, 0x11, CHALLENGE, digest)).toBe("6982");
    await say(VERIFY);
    await say("00cb3fff035c017e00");
    expect(await use(0x9c, 0x11, CHALLENGE, digest)).toBe("6982");
    expect(await say("00200080")).toBe("9000");
  });

  test("9C is content with parts of one command between", async () => {
    await say(VERIFY);
    const data = hex(encodeTlv(0x7c, encodeTlv(0x82), encodeTlv(CHALLENGE, digest)));
    expect(await say(`1087119c10${data.slice(0, 32)}`)).toBe("9000");
    expect(await say(`0087119c16${data.slice(32)}00`)).toMatch(/9000$/);
  });

  test.each([
    [PinPolicy.Never, "9000"],
    [PinPolicy.Once, "6982"],
    [PinPolicy.Always, "6982"],
  ])("policy %i of a key counts, not the slot's", async (policy, sw) => {
    const key = stored(pairs.p256.privateKey, Algorithm.EccP256, policy);
    card = new PivCard({ ...emptyState(1), keys: new Map([[0x9e, key]]) });
    await say(SELECT);
    const answer = await use(0x9e, 0x11, CHALLENGE, digest);
    expect(typeof answer === "string" ? answer : "9000").toBe(sw);
  });
});

describe("what a key does", () => {
  beforeEach(async () => void (await say(VERIFY)));

  test("RSA decrypts a block", async () => {
    const plain = Buffer.alloc(128, 7);
    plain[0] = 0;
    const key = { key: pairs.rsa.publicKey, padding: constants.RSA_NO_PADDING };
    expect(await use(0x9a, 0x06, CHALLENGE, publicEncrypt(key, plain))).toEqual(plain);
  });

  test.each([
    ["sha1", 0x9e, 0x11, pairs.p256.publicKey],
    ["sha256", 0x9e, 0x11, pairs.p256.publicKey],
    ["sha512", 0x9e, 0x11, pairs.p256.publicKey],
    ["sha384", 0x9d, 0x14, pairs.p384.publicKey],
  ])("ECDSA signs a %s digest", async (name, slot, algorithm, publicKey) => {
    const hashed = createHash(name).update("message").digest();
    const signature = await use(slot, algorithm, CHALLENGE, hashed);
    expect(verify(name, Buffer.from("message"), publicKey, signature as Buffer)).toBe(true);
  });

  test("Ed25519 signs a message", async () => {
    const signature = await use(0x82, 0xe0, CHALLENGE, Buffer.from("message"));
    const { publicKey } = pairs.ed25519;
    expect(verify(undefined, Buffer.from("message"), publicKey, signature as Buffer)).toBe(true);
  });

  test("P-384 agrees on a secret", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const { x = "", y = "" } = other.publicKey.export({ format: "jwk" });
    const point = Buffer.concat([Buffer.of(4), ...[x, y].map((c) => Buffer.from(c, "base64url"))]);
    const { publicKey } = pairs.p384;
    const expected = diffieHellman({ privateKey: other.privateKey, publicKey });
    expect(await use(0x9d, 0x14, POINT, point)).toEqual(expected);
  });

  test("X25519 agrees on a secret", async () => {
    const other = generateKeyPairSync("x25519");
    const { x = "" } = other.publicKey.export({ format: "jwk" });
    const { publicKey } = pairs.x25519;
    const expected = diffieHellman({ privateKey: other.privateKey, publicKey });
    expect(await use(0x83, 0xe1, POINT, Buffer.from(x, "base64url"))).toEqual(expected);
  });
});

describe("what GENERAL AUTHENTICATE refuses", () => {
  beforeEach(async () => void (await say(VERIFY)));

  test.each([
    ["a reference that is no key's", 0x80, 0x07, CHALLENGE, digest, "6a86"],
    ["a slot without a key", 0x84, 0x07, CHALLENGE, digest, "6a88"],
    ["another algorithm than the key's", 0x9e, 0x14, CHALLENGE, digest, "6a86"],
    ["a block that is too short", 0x9a, 0x06, CHALLENGE, new Uint8Array(127), "6a80"],
    [
      "a block that is not below the modulus",
      0x9a,
      0x06,
      CHALLENGE,
      new Uint8Array(128).fill(255),
      "6a80",
    ],
    ["a point for an RSA key", 0x9a, 0x06, POINT, new Uint8Array(65).fill(4), "6a80"],
    ["no digest", 0x9e, 0x11, CHALLENGE, new Uint8Array(0), "6a80"],
    ["too long a digest", 0x9e, 0x11, CHALLENGE, new Uint8Array(65), "6a80"],
    ["a point that is none", 0x9e, 0x11, POINT, new Uint8Array(65).fill(4), "6a80"],
    ["the point of another curve", 0x9e, 0x11, POINT, new Uint8Array(97).fill(4), "6a80"],
    ["a challenge for X25519", 0x83, 0xe1, CHALLENGE, digest, "6a80"],
    ["another's key of a wrong length", 0x83, 0xe1, POINT, new Uint8Array(31), "6a80"],
    ["a point for Ed25519", 0x82, 0xe0, POINT, new Uint8Array(32), "6a80"],
  ])("%s", async (_what, slot, algorithm, tag, value, sw) => {
    expect(await use(slot, algorithm, tag, value)).toBe(sw);
  });

  test.each([
    ["no template", "0087119e028200"],
    ["no response wanted", "0087119e057c03810100"],
    ["a response that is there", "0087119e087c06820101810100"],
    ["nothing to answer", "0087119e047c028200"],
    ["two things to answer", "0087119e0a7c08820081010085010 0"],
    ["a broken template", "0087119e057c05820081"],
  ])("%s", async (_what, command) => {
    expect(await say(command.replaceAll(" ", ""))).toBe("6a80");
  });
});
