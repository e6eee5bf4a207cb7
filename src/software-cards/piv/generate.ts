import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { isAlgorithm } from "./algorithms.ts";
import { type Command, readObjects, readOnly, Sw } from "./command.ts";
import { generateKey, publicKeyObjects, storeKey } from "./keys.ts";
import { readPolicy } from "./policies.ts";
import { isSlot, type SlotNumber } from "./slots.ts";
import type { PivState, StoredKey } from "./state.ts";

/** The template of a new key, and what stands in it (SP 800-73-4 part 2, table 10). */
const CONTROL = 0xac;
const ALGORITHM = 0x80;
const PUBLIC_KEY = 0x7f49;

export const withKey = (state: PivState, slot: SlotNumber, key: StoredKey): PivState => ({
  ...state,
  keys: new Map([...state.keys, [slot, key]]),
});

/** GENERATE ASYMMETRIC KEY PAIR (SP 800-73-4 part 2, 3.3.2), with YubiKey's policies. */
export const generate: Command = async ({ state, session }, { p1, p2, data }) => {
  if (p1 !== 0 || !isSlot(p2)) return { sw: Sw.WrongParameters };
  if (!session.hasManagementKey) return { sw: Sw.SecurityStatusNotSatisfied };
  const control = readOnly(data, CONTROL);
  const objects = control && readObjects(control);
  const named = objects?.find(({ tag }) => tag === ALGORITHM)?.value;
  const algorithm = named?.[0];
  if (!objects || named?.length !== 1 || !isAlgorithm(algorithm)) return { sw: Sw.WrongData };
  const policy = readPolicy(objects, p2);
  if ("sw" in policy) return policy;
  const key = await generateKey(algorithm);
  const stored: StoredKey = {
    algorithm,
    privateKey: storeKey(key),
    pinPolicy: policy.policy,
    origin: "generated",
  };
  return {
    sw: Sw.Success,
    data: encodeTlv(PUBLIC_KEY, publicKeyObjects(key)),
    state: withKey(state, p2, stored),
  };
};
