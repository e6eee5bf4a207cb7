import { parseTlv, type Tlv } from "../../wire/iso7816/tlv.ts";
import type { CommandView } from "./command-view.ts";
import { ANY_APPLICATION, MAX_AID, type Selection, startsWith } from "./selection.ts";

export const SELECT = 0xa4;
/** P1 of a SELECT by the name of an application, its identifier or what that begins with (ISO/IEC 7816-4, 11.2.2). */
const BY_NAME = 0x04;
/** P1 of a SELECT of a file right below what is selected: it leads nowhere else. */
const FILE_BELOW = 0x02;
/** By identifier of a file (00 to 03), by name (04), by path (08, 09). */
const WAYS: ReadonlySet<number> = new Set([0x00, 0x01, 0x02, 0x03, BY_NAME, 0x08, 0x09]);
/** Bits of P2 that the standard reserves. The others say which occurrence is meant, and what is to be told. */
const P2_RESERVED = 0xf0;

export const isSelect = ({ kind, ins }: CommandView): boolean =>
  kind === "interindustry" && ins === SELECT;

export const isSelectByName = (command: CommandView): boolean =>
  isSelect(command) && command.p1 === BY_NAME;

/** Whether it is a SELECT as the standard has it, so that what follows from it is known. */
export const isPlainSelect = (command: CommandView): boolean =>
  isSelect(command) &&
  command.isWellFormed &&
  !command.isSecured &&
  !command.isChained &&
  WAYS.has(command.p1 ?? 0xff) &&
  ((command.p2 ?? 0xff) & P2_RESERVED) === 0 &&
  (command.p1 !== BY_NAME || command.data.length <= MAX_AID);

/**
 * Which application a SELECT by name asks for. The first, the last, the next and the previous occurrence all begin so,
 * and which of them it will be is the card's to say.
 */
export const askedFor = ({ data }: CommandView): Selection => ({
  aid: data.slice(),
  isWhole: false,
});

/** Whether a SELECT leaves the application as it is, whatever comes of it. */
export const staysInside = (command: CommandView): boolean =>
  isPlainSelect(command) && command.p1 === FILE_BELOW;

/** File control information (ISO/IEC 7816-4, 7.4): template, parameters; the name of a DF in them. */
const [FCI, FCP, DF_NAME] = [0x6f, 0x62, 0x84] as const;
/** The application template (12.3.3), in it an identifier; SP 800-73-4 part 2, table 3: without its first five bytes. */
const [APPLICATION, AID, AUTHORITY] = [0x61, 0x4f, 0x79] as const;
/** A registered provider's number, with which an identifier begins. */
const RID_BYTES = 5;

/**
 * What is selected after a SELECT by name that was answered with success.
 *
 * @param data of the answer. Where it tells a whole identifier that begins with what was asked for, that is it; where it
 *   tells another, nobody knows.
 * @param options.isSure whether the card has certainly read the name that was sent, and nothing before it.
 */
export function selectionAfter(
  asked: CommandView,
  data: Uint8Array,
  { isSure }: { readonly isSure: boolean },
): Selection {
  const told = nameIn(data);
  if (told !== undefined)
    return startsWith(told, asked.data) ? { aid: told.slice(), isWhole: true } : ANY_APPLICATION;
  // A card that knows no extended lengths has read another name than the one that stands here.
  return isSure && !asked.isExtended ? askedFor(asked) : ANY_APPLICATION;
}

/** The identifier in an answer to SELECT. */
function nameIn(data: Uint8Array): Uint8Array | undefined {
  const [first] = objectsIn(data);
  if (first?.tag === FCI || first?.tag === FCP) return valueOf(objectsIn(first.value), DF_NAME);
  if (first?.tag !== APPLICATION) return undefined;
  const inside = objectsIn(first.value);
  const authority = valueOf(objectsIn(valueOf(inside, AUTHORITY) ?? NOTHING), AID);
  const aid = valueOf(inside, AID);
  if (aid === undefined || authority?.length !== RID_BYTES || startsWith(aid, authority))
    return aid;
  return Uint8Array.of(...authority, ...aid);
}

/** SP 800-73-4 part 1, 3.3.2: the discovery object; OpenPGP 3.4, 4.2.1: the identifier as a data object. */
const [GET_DATA, GET_DATA_BY_TAGS] = [0xca, 0xcb] as const;
const DISCOVERY = 0x7e;
const WANTS_DISCOVERY = Uint8Array.of(0x5c, 0x01, DISCOVERY);

/**
 * What an application tells of itself in a data object that everybody may read. Programs ask for it to find out whether
 * theirs is still selected, instead of selecting it, which on some cards would end what was verified.
 */
export function selfDescribed(command: CommandView, data: Uint8Array): Selection | undefined {
  const { kind, isSecured, isChained, isExtended, ins, p1, p2 } = command;
  if (kind !== "interindustry" || isSecured || isChained || isExtended) return undefined;
  let aid: Uint8Array | undefined;
  if (ins === GET_DATA_BY_TAGS && p1 === 0x3f && p2 === 0xff) {
    const isAsked =
      command.data.length === WANTS_DISCOVERY.length && startsWith(command.data, WANTS_DISCOVERY);
    const [object] = isAsked ? objectsIn(data) : [];
    if (object?.tag === DISCOVERY) aid = valueOf(objectsIn(object.value), AID);
    if (aid && !startsWith(aid, NIST)) aid = undefined;
  }
  if (ins === GET_DATA && p1 === 0 && p2 === AID && startsWith(data, OPENPGP)) aid = data;
  return aid && { aid: aid.slice(), isWhole: true };
}

const NIST = Uint8Array.of(0xa0, 0x00, 0x00, 0x03, 0x08);
const OPENPGP = Uint8Array.of(0xd2, 0x76, 0x00, 0x01, 0x24, 0x01);
const NOTHING = new Uint8Array(0);

function objectsIn(bytes: Uint8Array): readonly Tlv[] {
  try {
    return parseTlv(bytes);
  } catch {
    return []; // a card may answer what it likes
  }
}

const valueOf = (objects: readonly Tlv[], tag: number): Uint8Array | undefined =>
  objects.find((one) => one.tag === tag)?.value;
