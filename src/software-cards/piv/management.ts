import { createCipheriv, randomBytes, timingSafeEqual } from "node:crypto";
import type { CommandApdu } from "../../wire/iso7816/apdu.ts";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { cipherOf, isManagementAlgorithm, ManagementAlgorithm } from "./algorithms.ts";
import { type Answer, type Command, type Situation, Sw } from "./command.ts";
import type { Challenge, Session } from "./session.ts";
import { Slot } from "./slots.ts";
import type { PivState } from "./state.ts";
import { readTemplate, Template } from "./template.ts";

type ManagementKey = PivState["managementKey"];

/** One or more whole blocks, each by itself. */
function encrypt({ algorithm, value }: ManagementKey, blocks: Uint8Array): Buffer {
  const cipher = createCipheriv(cipherOf(algorithm).name, value, null).setAutoPadding(false);
  return Buffer.concat([cipher.update(blocks), cipher.final()]);
}

/** P1 of 0 stands for 3DES (SP 800-78-4, table 6-2). */
const algorithmOf = (p1: number): number => p1 || ManagementAlgorithm.TripleDes;

const template = (tag: number, value: Uint8Array): Uint8Array =>
  encodeTlv(Template.Tag, encodeTlv(tag, value));

/** Who proves that it has the key: the host to the card, or each to the other. */
type Role = Challenge["role"];

/** One of the commands of an authentication. */
type Step =
  | { readonly asks: Role }
  | { readonly proves: Role; readonly proof: Uint8Array; readonly challenge?: Uint8Array };

/** Undefined for a template that is none of them. */
function stepOf(data: Uint8Array): Step | undefined {
  const given = readTemplate(data);
  const [witness, challenge, response] = [
    given?.get(Template.Witness),
    given?.get(Template.Challenge),
    given?.get(Template.Response),
  ];
  if (challenge?.length === 0 && !witness && !response) return { asks: "external" };
  if (witness?.length === 0 && !challenge && !response) return { asks: "mutual" };
  if (response?.length && !witness && !challenge) return { proves: "external", proof: response };
  // With an empty response, which asks for the card's, or without.
  return witness?.length && challenge?.length && !response?.length
    ? { proves: "mutual", proof: witness, challenge }
    : undefined;
}

/**
 * GENERAL AUTHENTICATE with the management key (SP 800-73-4 part 2, appendix A.1 and A.2): the host proves that it has
 * it, and in the mutual variant the card, too. Each is two commands, with nothing between them.
 */
export function authenticateManagement({ state, session }: Situation, apdu: CommandApdu): Answer {
  const key = state.managementKey;
  if (algorithmOf(apdu.p1) !== key.algorithm) return { sw: Sw.WrongParameters };
  const step = stepOf(apdu.data);
  // Each try begins anew: who fails is not let in by what was proved before.
  const without = { ...session, hasManagementKey: false, challenge: undefined };
  if (!step) return { sw: Sw.WrongData, session: without };
  if ("asks" in step) return ask(step.asks, key, without);
  const { proves, proof, challenge } = step;
  const asked = session.challenge;
  if (asked?.role !== proves) return { sw: Sw.ConditionsNotSatisfied, session: without };
  const isProved = proof.length === asked.expected.length && timingSafeEqual(proof, asked.expected);
  if (!isProved) return { sw: Sw.SecurityStatusNotSatisfied, session: without };
  const isLetIn = { ...without, hasManagementKey: true };
  if (!challenge) return { sw: Sw.Success, session: isLetIn };
  if (challenge.length !== cipherOf(key.algorithm).blockSize)
    return { sw: Sw.WrongData, session: without };
  const data = template(Template.Response, encrypt(key, challenge));
  return { sw: Sw.Success, data, session: isLetIn };
}

/** What only who has the key can answer: a block to encrypt, or an encrypted one to decrypt. */
function ask(role: Role, key: ManagementKey, session: Session): Answer {
  const random = randomBytes(cipherOf(key.algorithm).blockSize);
  const encrypted = encrypt(key, random);
  const isMutual = role === "mutual";
  return {
    sw: Sw.Success,
    data: isMutual ? template(Template.Witness, encrypted) : template(Template.Challenge, random),
    session: { ...session, challenge: { role, expected: isMutual ? random : encrypted } },
  };
}

/** Without (FF) or with (FE, FD) a touch of the button for each use. There is no button. */
const WITHOUT_TOUCH = 0xff;

/** SET MANAGEMENT KEY (YubiKey): algorithm, 9B, length, key. */
export const setManagementKey: Command = ({ state, session }, { p1, p2, data }) => {
  if (p1 !== 0xff || p2 < 0xfd) return { sw: Sw.WrongParameters };
  if (!session.hasManagementKey) return { sw: Sw.SecurityStatusNotSatisfied };
  if (p2 !== WITHOUT_TOUCH) return { sw: Sw.FunctionNotSupported };
  const [algorithm, slot, length] = data;
  const value = data.slice(3);
  if (!isManagementAlgorithm(algorithm) || slot !== Slot.Management) return { sw: Sw.WrongData };
  if (length !== value.length || length !== cipherOf(algorithm).keySize)
    return { sw: Sw.WrongData };
  return { sw: Sw.Success, state: { ...state, managementKey: { algorithm, value } } };
};
