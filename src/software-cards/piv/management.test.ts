import { createCipheriv, createDecipheriv } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { cipherOf, ManagementAlgorithm } from "./algorithms.ts";
import { PivCard } from "./card.ts";
import { defaultManagementKey, emptyState } from "./state.ts";

let card: PivCard;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Buffer.from(text, "hex");
const say = async (command: string): Promise<string> => hex(await card.process(bytes(command)));

/** Whether the card takes an object, for which it wants the management key. */
const isLetIn = async () => (await say("00db3fff085c035fc102530101")) === "9000";

const kinds = [
  ["3DES", ManagementAlgorithm.TripleDes, "03"],
  ["AES-128", ManagementAlgorithm.Aes128, "08"],
  ["AES-192", ManagementAlgorithm.Aes192, "0a"],
  ["AES-256", ManagementAlgorithm.Aes256, "0c"],
] as const;

describe.each(kinds)("%s", (_name, algorithm, p1) => {
  const key = defaultManagementKey(algorithm);
  const { name, blockSize } = cipherOf(algorithm);
  const encrypt = (block: string) =>
    hex(createCipheriv(name, key.value, null).setAutoPadding(false).update(bytes(block)));
  const decrypt = (block: string) =>
    hex(createDecipheriv(name, key.value, null).setAutoPadding(false).update(bytes(block)));
  const n = blockSize.toString(16).padStart(2, "0");
  const byte = (value: number) => value.toString(16).padStart(2, "0");
  const one = (tag: string, block: string) => `7c${byte(2 + blockSize)}${tag}${n}${block}`;
  const command = (data: string) => `0087${p1}9b${byte(data.length / 2)}${data}00`;
  const blockIn = (answer: string) => answer.slice(8, -4);

  beforeEach(async () => {
    card = new PivCard({ ...emptyState(1), managementKey: key });
    await say("00a4040005a000000308");
  });

  test("single authentication", async () => {
    expect(await isLetIn()).toBe(false);
    const asked = await say(command("7c028100"));
    expect(asked).toMatch(new RegExp(`^7c${byte(2 + blockSize)}81${n}.{${2 * blockSize}}9000$`));
    expect(await say(command(one("82", encrypt(blockIn(asked)))))).toBe("9000");
    expect(await isLetIn()).toBe(true);
  });

  test("mutual authentication", async () => {
    const witness = decrypt(blockIn(await say(command("7c028000"))));
    const challenge = "5a".repeat(blockSize);
    const data = `80${n}${witness}81${n}${challenge}8200`;
    const answer = await say(command(`7c${byte(data.length / 2)}${data}`));
    expect(answer).toBe(`${one("82", encrypt(challenge))}9000`);
    expect(await isLetIn()).toBe(true);
  });

  test("a wrong answer throws out who was in", async () => {
    const asked = await say(command("7c028100"));
    await say(command(one("82", encrypt(blockIn(asked)))));
    await say(command("7c028100"));
    expect(await say(command(one("82", "00".repeat(blockSize))))).toBe("6982");
    expect(await isLetIn()).toBe(false);
  });

  test("an answer counts once, and only right after its question", async () => {
    const asked = await say(command("7c028100"));
    await say("00f80000");
    expect(await say(command(one("82", encrypt(blockIn(asked)))))).toBe("6985");
    const again = await say(command("7c028100"));
    expect(await say(command(one("82", encrypt(blockIn(again)))))).toBe("9000");
    expect(await say(command(one("82", encrypt(blockIn(again)))))).toBe("6985");
  });
});

describe("with 3DES, as cards have it", () => {
  beforeEach(async () => {
    card = new PivCard(emptyState(1));
    await say("00a4040005a000000308");
  });

  test("P1 may be 0", async () => {
    expect(await say("0087009b047c02810000")).toMatch(/^7c0a8108.{16}9000$/);
  });

  test.each([
    ["another algorithm", "00870a9b047c02810000", "6a86"],
    ["no template", "0087039b028100", "6a80"],
    ["an empty template", "0087039b027c00", "6a80"],
    ["a broken template", "0087039b047c058100", "6a80"],
    ["a tag twice", "0087039b067c0481008100", "6a80"],
    ["both questions", "0087039b067c0480008100", "6a80"],
    ["an answer to nothing", "0087039b0c7c0a82080000000000000000", "6985"],
    ["a witness to nothing", "0087039b167c1480080000000000000000810800000000000000 00", "6985"],
  ])("%s is answered %s", async (_what, command, sw) => {
    expect(await say(command.replaceAll(" ", ""))).toBe(sw);
  });

  test("the answer to one question is none to the other", async () => {
    await say("0087039b047c02800000");
    expect(await say("0087039b0c7c0a82080000000000000000")).toBe("6985");
  });

  describe("SET MANAGEMENT KEY", () => {
    const key = "0a9b18000102030405060708090a0b0c0d0e0f1011121314151617";
    const letIn = async () => {
      const asked = await say("0087039b047c02810000");
      const cipher = createCipheriv("des-ede3-ecb", defaultManagementKey().value, null);
      await say(`0087039b0c7c0a8208${hex(cipher.update(bytes(asked.slice(8, 24))))}`);
    };

    test("wants the old one", async () => {
      expect(await say(`00ffffff1b${key}`)).toBe("6982");
    });

    test("changes algorithm and key", async () => {
      await letIn();
      expect(await say(`00ffffff1b${key}`)).toBe("9000");
      expect(await say("0087039b047c02810000")).toBe("6a86");
      expect(await say("00870a9b047c02810000")).toMatch(/^7c128110.{32}9000$/);
      expect(card.state.managementKey.value).toEqual(bytes(key.slice(6)));
    });

    test.each([
      ["a touch for each use", `00fffffe1b${key}`, "6a81"],
      ["other parameters", `00ff00ff1b${key}`, "6a86"],
      ["another algorithm", `00ffffff1b07${key.slice(2)}`, "6a80"],
      ["another key", `00ffffff1b0a9a${key.slice(4)}`, "6a80"],
      ["too short a key", `00ffffff1a${key.slice(0, -2)}`, "6a80"],
      ["a length that is wrong for the algorithm", `00ffffff1b0c${key.slice(2)}`, "6a80"],
      ["no data", "00ffffff", "6a80"],
    ])("%s is answered %s", async (_what, command, sw) => {
      await letIn();
      expect(await say(command)).toBe(sw);
      expect(card.state).toEqual(emptyState(1));
    });
  });
});
