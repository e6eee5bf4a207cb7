import type { CommandApdu } from "../../wire/iso7816/apdu.ts";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { type Answer, type Command, type Situation, Sw } from "./command.ts";
import { authenticateManagement } from "./management.ts";
import { agree, answerChallenge } from "./private-key-operation.ts";
import { satisfies } from "./session.ts";
import { isSlot, Slot } from "./slots.ts";
import type { StoredKey } from "./state.ts";
import { readTemplate, Template } from "./template.ts";

/** GENERAL AUTHENTICATE (SP 800-73-4 part 2, 3.2.4). */
export const generalAuthenticate: Command = (situation, apdu) => {
  if (apdu.p2 === Slot.Management) return authenticateManagement(situation, apdu);
  if (!isSlot(apdu.p2)) return { sw: Sw.WrongParameters };
  const key = situation.state.keys.get(apdu.p2);
  if (!key) return { sw: Sw.ReferenceNotFound };
  if (key.algorithm !== apdu.p1) return { sw: Sw.WrongParameters };
  return usePrivateKey(situation, key, apdu);
};

function usePrivateKey({ session }: Situation, key: StoredKey, { data }: CommandApdu): Answer {
  if (!satisfies(session, key.pinPolicy)) return { sw: Sw.SecurityStatusNotSatisfied };
  const template = readTemplate(data);
  // An empty response is how the host asks for it.
  if (template?.get(Template.Response)?.length !== 0) return { sw: Sw.WrongData };
  const challenge = template.get(Template.Challenge);
  const point = template.get(Template.Exponentiation);
  const isOne = (challenge === undefined) !== (point === undefined) && template.size === 2;
  if (!isOne) return { sw: Sw.WrongData };
  const result = challenge ? answerChallenge(key, challenge) : point && agree(key, point);
  if (!result) return { sw: Sw.WrongData };
  return {
    sw: Sw.Success,
    data: encodeTlv(Template.Tag, encodeTlv(Template.Response, result)),
  };
}
