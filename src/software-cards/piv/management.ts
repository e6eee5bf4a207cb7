import { createCipheriv, randomBytes, timingSafeEqual } from "node:crypto";
import type { CommandApdu } from "../../wire/iso7816/apdu.ts";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { cipherOf, isManagementAlgorithm, ManagementAlgorithm } from "./algorithms.ts";
import { type Answer, type Command, type Situation, Sw } from "./command.ts";
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

/**
 * GENERAL AUTHENTICATE with the management key (SP 800-73-4 part 2, appendix A.1 and A.2): the host proves that it has
 * it, and in the mutual variant the card, too. Each is two commands, with nothing between them.
 */
export function authenticateManagement(situation: Situation, apdu: CommandApdu): Answer {
  const { state, session } = situation;
  const key = state.managementKey;
  if (algorithmOf(apdu.p1) !== key.algorithm) return { sw: Sw.WrongParameters };
  const given = readTemplate(apdu.data);
  if (!given) return { sw: Sw.WrongData };
  const [witness, challenge, response] = [
    given.get(Template.Witness),
    given.get(Template.Challenge),
    given.get(Template.Response),
  ];
  const random = randomBytes(cipherOf(key.algorithm).blockSize);
  // Each try begins anew: who fails is not let in by what was proved before.
  const without = { ...session, hasManagementKey: false, challenge: undefined };
  if (challenge?.length === 0 && !witness && !response)
    return {
      sw: Sw.Success,
      data: template(Template.Challenge, random),
      session: { ...without, challenge: { role: "external", expected: encrypt(key, random) } },
    };
  if (witness?.length === 0 && !challenge && !response)
    return {
      sw: Sw.Success,
      data: template(Template.Witness, encrypt(key, random)),
      session: { ...without, challenge: { role: "mutual", expected: random } },
    };
  const isMutual = witness !== undefined && challenge !== undefined && !response?.length;
  const isExternal = response !== undefined && !witness && !challenge;
  const proof = isMutual ? witness : isExternal ? response : undefined;
  if (!proof) return { sw: Sw.WrongData, session: without };
  const asked = session.challenge;
  if (asked?.role !== (isMutual ? "mutual" : "external"))
    return { sw: Sw.ConditionsNotSatisfied, session: without };
  const isProved = proof.length === asked.expected.length && timingSafeEqual(proof, asked.expected);
  if (!isProved) return { sw: Sw.SecurityStatusNotSatisfied, session: without };
  const isLetIn = { ...without, hasManagementKey: true };
  if (!isMutual) return { sw: Sw.Success, session: isLetIn };
  if (challenge?.length !== random.length) return { sw: Sw.WrongData, session: without };
  return {
    sw: Sw.Success,
    data: template(Template.Response, encrypt(key, challenge)),
    session: isLetIn,
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
