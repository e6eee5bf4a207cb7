import { resolve } from "node:path";
import { CardwireError } from "../../domain/errors.ts";
import { shellWord } from "../../domain/shell-word.ts";
import { createCardFile } from "../../host/card-file.ts";
import {
  Algorithm,
  cipherOf,
  kindOf,
  ManagementAlgorithm,
} from "../../software-cards/piv/algorithms.ts";
import { provision } from "../../software-cards/piv/provision.ts";
import { writeState } from "../../software-cards/piv/state-text.ts";
import { defaultManagementKey, type PivState } from "../../software-cards/piv/state.ts";
import type { Io } from "../io.ts";
import { readSecret, knownSecretLines } from "./secrets.ts";

const algorithms = {
  rsa2048: Algorithm.Rsa2048,
  rsa3072: Algorithm.Rsa3072,
  rsa4096: Algorithm.Rsa4096,
  eccp256: Algorithm.EccP256,
  eccp384: Algorithm.EccP384,
} as const;

const managementAlgorithms = {
  "3des": ManagementAlgorithm.TripleDes,
  aes128: ManagementAlgorithm.Aes128,
  aes192: ManagementAlgorithm.Aes192,
  aes256: ManagementAlgorithm.Aes256,
} as const;

export interface NewPivCard {
  readonly file: string | undefined;
  readonly name: string;
  readonly algorithm?: keyof typeof algorithms | undefined;
  readonly pinFile?: string | undefined;
  readonly pukFile?: string | undefined;
  readonly managementKeyFile?: string | undefined;
  readonly managementAlgorithm: keyof typeof managementAlgorithms;
  readonly json?: true | undefined;
}

/** Makes a PIV card and its file, and says what a person has to know of it. */
export async function makePivCard(wanted: NewPivCard, io: Io): Promise<void> {
  const path = resolve(wanted.file ?? fileNameFor(wanted.name));
  const managementKey = await managementKeyFor(wanted);
  const [pin, puk] = [
    wanted.pinFile === undefined ? undefined : await readSecret(wanted.pinFile, "PIN"),
    wanted.pukFile === undefined ? undefined : await readSecret(wanted.pukFile, "PUK"),
  ];
  const algorithm = wanted.algorithm && algorithms[wanted.algorithm];
  const state = await provisioned({
    name: wanted.name,
    pin,
    puk,
    managementKey,
    algorithm,
    now: new Date(),
  });
  await createCardFile(path, writeState(state));
  if (wanted.json) {
    io.out(
      JSON.stringify({ file: path, name: wanted.name, serial: state.serial, keys: keysOf(state) }),
    );
    return;
  }
  const isKnown = wanted.managementKeyFile === undefined;
  const known = knownSecretLines({
    pin: pin === undefined,
    puk: puk === undefined,
    managementKey: isKnown ? managementKey : undefined,
  });
  io.out(
    [
      `file            ${path}`,
      `serial number   ${state.serial}`,
      `keys            ${Object.entries(keysOf(state))
        .map((pair) => pair.join(" "))
        .join(", ")}`,
      ...known,
    ].join("\n"),
  );
  if (known.length > 0)
    io.err("everybody knows these values: change them for anything but tests, or choose your own");
  io.err(
    `put it into a reader with: cardwire card piv ${shellWord(wanted.file ?? fileNameFor(wanted.name))}`,
  );
}

async function provisioned(options: Parameters<typeof provision>[0]): Promise<PivState> {
  try {
    return await provision(options);
  } catch (cause) {
    // It tells what is wrong with a name, PIN or PUK, without a word of it.
    if (cause instanceof RangeError)
      throw new CardwireError("E_CARD_DATA", cause.message, { cause });
    throw cause;
  }
}

async function managementKeyFor({
  managementKeyFile,
  managementAlgorithm,
}: NewPivCard): Promise<PivState["managementKey"]> {
  const algorithm = managementAlgorithms[managementAlgorithm];
  if (managementKeyFile === undefined) return defaultManagementKey(algorithm);
  const text = await readSecret(managementKeyFile, "management key");
  const value = Buffer.from(text, "hex");
  const { keySize } = cipherOf(algorithm);
  if (value.length !== keySize || text.length !== keySize * 2)
    throw new CardwireError(
      "E_CARD_DATA",
      `a management key for ${managementAlgorithm} is ${keySize} bytes in hex`,
    );
  return { algorithm, value };
}

/** `Alice Example` → `alice-example.card`: letters and digits, dots and lines only where they lead nowhere. */
function fileNameFor(name: string): string {
  const words = name.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{N}._]*/gu) ?? ["piv"];
  return `${words.join("-")}.card`;
}

/** What lies in the four slots, in words. */
const keysOf = ({ keys }: PivState): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...keys]
      .filter(([slot]) => slot <= 0x9e)
      .map(([slot, key]) => [slot.toString(16), algorithmName(key.algorithm)]),
  );

function algorithmName(algorithm: Algorithm): string {
  const kind = kindOf(algorithm);
  if (kind.type === "rsa") return `RSA-${kind.bits}`;
  return kind.type === "ec" ? kind.jwk : kind.type;
}
