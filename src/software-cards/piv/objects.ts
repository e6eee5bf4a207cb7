import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { type Command, readObjects, readOnly, Sw } from "./command.ts";
import { Container, isStorable, MAX_OBJECT, wantsPin } from "./containers.ts";
import { PIV_AID } from "./select.ts";
import { isPinVerified } from "./session.ts";
import type { PivState } from "./state.ts";

const CURRENT_APPLICATION = { p1: 0x3f, p2: 0xff } as const;
const TAG_LIST = 0x5c;
const DATA = 0x53;

/** How many objects a card keeps. */
const MAX_OBJECTS = 128;

/** The discovery object (SP 800-73-4 part 1, 3.3.2): whose application this is, and which PINs there are. */
function discoveryObject({ globalPin }: PivState): Uint8Array {
  const usage = globalPin ? [0x60, 0x10] : [0x40, 0x00];
  const inside = [encodeTlv(0x4f, PIV_AID), encodeTlv(0x5f2f, Uint8Array.from(usage))];
  return encodeTlv(Container.Discovery, ...inside);
}

const tagOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum * 0x100 + byte, 0);

const isLongTag = (bytes: Uint8Array | undefined): bytes is Uint8Array =>
  bytes !== undefined && bytes.length >= 1 && bytes.length <= 3;

/** GET DATA (SP 800-73-4 part 2, 3.1.2). */
export const getData: Command = ({ state, session }, { p1, p2, data }) => {
  if (p1 !== CURRENT_APPLICATION.p1 || p2 !== CURRENT_APPLICATION.p2)
    return { sw: Sw.WrongParameters };
  const wanted = readOnly(data, TAG_LIST);
  if (!isLongTag(wanted)) return { sw: Sw.WrongData };
  const tag = tagOf(wanted);
  if (tag === Container.Discovery) return { sw: Sw.Success, data: discoveryObject(state) };
  if (wantsPin(tag) && !isPinVerified(session)) return { sw: Sw.SecurityStatusNotSatisfied };
  const found = state.objects.get(tag);
  return found ? { sw: Sw.Success, data: encodeTlv(DATA, found) } : { sw: Sw.NotFound };
};

/** PUT DATA (SP 800-73-4 part 2, 3.3.1). An empty object is one that is not there any more. */
export const putData: Command = ({ state, session }, { p1, p2, data }) => {
  if (p1 !== CURRENT_APPLICATION.p1 || p2 !== CURRENT_APPLICATION.p2)
    return { sw: Sw.WrongParameters };
  if (!session.hasManagementKey) return { sw: Sw.SecurityStatusNotSatisfied };
  const [list, value, ...more] = readObjects(data) ?? [];
  // The discovery object and the biometric group stand in a tag of their own; the former is the card's to make.
  if (list?.tag === Container.Discovery || list?.tag === Container.BiometricGroup)
    return { sw: Sw.FunctionNotSupported };
  const isPair = list?.tag === TAG_LIST && value?.tag === DATA && more.length === 0;
  if (!isPair || !isLongTag(list.value)) return { sw: Sw.WrongData };
  const tag = tagOf(list.value);
  if (!isStorable(tag)) return { sw: Sw.FunctionNotSupported };
  const isNew = !state.objects.has(tag);
  if (value.value.length > MAX_OBJECT || (isNew && state.objects.size >= MAX_OBJECTS))
    return { sw: Sw.NotEnoughMemory };
  const objects = new Map(state.objects);
  if (value.value.length > 0) objects.set(tag, value.value.slice());
  else objects.delete(tag);
  return { sw: Sw.Success, state: { ...state, objects } };
};
