import type { Reader } from "../../domain/card-service.ts";
import { globMatcher } from "../../domain/glob.ts";
import type { CommandView } from "./command-view.ts";
import { type AidPattern, isCertainly, mayBe, type Selection } from "./selection.ts";

/** A byte, of which the bits of the mask count. */
export interface ByteMask {
  readonly value: number;
  /** FF for a single value. */
  readonly mask: number;
}

/** Answers to reset: one, those that begin so, or those that are alike where bits of the mask are set. */
export interface AtrPattern {
  readonly bytes: Uint8Array;
  /** As long as `bytes`; absent where all bits count. */
  readonly mask?: Uint8Array;
  readonly isPrefix: boolean;
}

/**
 * A rule of somebody's own, in the manner of GlobalPlatform's Secure Element Access Control (1.1, 2.3: the application,
 * then header and mask of its commands). Of several, the first that matches holds. What is absent matches everything.
 */
export interface Rule {
  readonly verdict: "allow" | "deny";
  /** Names of identities, as globs. */
  readonly identities?: readonly string[] | undefined;
  /** Names of groups. An identity is meant that is in one of them, or among {@link identities}. */
  readonly groups?: readonly string[] | undefined;
  /** Names of readers, as globs. */
  readonly readers?: readonly string[] | undefined;
  readonly atrs?: readonly AtrPattern[] | undefined;
  /** Serial numbers of cards, as docs/policy.md says how they are written; capital and small letters are alike. */
  readonly serials?: readonly string[] | undefined;
  /** For SELECT by name: what it asks for. For other commands: what is selected. */
  readonly aids?: readonly AidPattern[] | undefined;
  /**
   * The class without channel and chaining, so that neither leads around a rule. Where it is absent, a rule that allows
   * means plain commands of the standard's class, and one that denies all.
   */
  readonly cla?: readonly ByteMask[] | undefined;
  readonly ins?: readonly ByteMask[] | undefined;
  readonly p1?: readonly ByteMask[] | undefined;
  readonly p2?: readonly ByteMask[] | undefined;
  /** For people, in explanations and the audit. */
  readonly comment?: string | undefined;
  /** Where it stands, for people: `rule 2`. */
  readonly name: string;
}

/** Rules, and who is in which group. A plain value, of which another can take the place at any time. */
export interface Rules {
  readonly rules: readonly Rule[];
  /** Globs of identities, by the group's name. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

export const NO_RULES: Rules = { rules: [], groups: new Map() };

/** A card, and the reader it is in. */
export interface CardPlace {
  readonly reader: Pick<Reader, "name" | "atr">;
  /** Where it could be read safely. */
  readonly serial: string | undefined;
}

/** The rules that can concern an identity at a card, in their order. What is not known of the card matches those that deny. */
export const rulesFor = (
  { rules, groups }: Rules,
  identity: string,
  { reader, serial }: CardPlace,
): readonly Rule[] =>
  rules.filter((rule) => {
    const inDoubt = rule.verdict === "deny";
    return (
      isMeant(rule, identity, groups) &&
      matchesName(rule.readers, reader.name) &&
      (rule.atrs === undefined ||
        (reader.atr === undefined
          ? inDoubt
          : rule.atrs.some((pattern) => matchesAtr(pattern, reader.atr ?? NOTHING)))) &&
      (rule.serials === undefined ||
        (serial === undefined ? inDoubt : matchesSerial(rule.serials, serial)))
    );
  });

/** Whether a rule, whomever it is about, can only be judged when the serial number of the card in that reader is known. */
export const namesSerial = (
  { rules }: Rules,
  { name, atr }: Pick<Reader, "name" | "atr">,
): boolean =>
  rules.some(
    (rule) =>
      rule.serials !== undefined &&
      matchesName(rule.readers, name) &&
      (!rule.atrs || !atr || rule.atrs.some((pattern) => matchesAtr(pattern, atr))),
  );

const matchesSerial = (serials: readonly string[], serial: string): boolean =>
  serials.some((one) => one.toLowerCase() === serial.toLowerCase());

const NOTHING = new Uint8Array(0);

/** Whether a rule, or anything else that names identities and groups, is about an identity. */
export function isMeant(
  rule: Pick<Rule, "identities" | "groups">,
  identity: string,
  groups: Rules["groups"],
): boolean {
  if (rule.identities === undefined && rule.groups === undefined) return true;
  const inGroups = (rule.groups ?? []).flatMap((group) => groups.get(group) ?? []);
  return matchesName([...(rule.identities ?? []), ...inGroups], identity);
}

/** Whether a name matches one of these. Without any it does. */
export const matchesName = (globs: readonly string[] | undefined, name: string): boolean =>
  globs === undefined || globs.some((glob) => globMatcher(glob)(name));

function matchesAtr({ bytes, mask, isPrefix }: AtrPattern, atr: Uint8Array): boolean {
  if (isPrefix ? atr.length < bytes.length : atr.length !== bytes.length) return false;
  return bytes.every((byte, at) => ((byte ^ (atr[at] ?? 0)) & (mask?.[at] ?? 0xff)) === 0);
}

/** The rule that keeps somebody from all of a card, if the first that can concern him is such a one. */
export function barrier([first]: readonly Rule[]): Rule | undefined {
  return first?.verdict === "deny" && isAboutAll(first) ? first : undefined;
}

/**
 * The rule that keeps an identity from a reader, whatever card is in it. Where a rule before that allows certain cards,
 * there is none: one of them could be put in.
 */
export function readerBarrier(
  { rules, groups }: Rules,
  identity: string,
  reader: string,
): Rule | undefined {
  const possible = rules.filter(
    (rule) =>
      isMeant(rule, identity, groups) &&
      matchesName(rule.readers, reader) &&
      !(rule.verdict === "deny" && isAboutCertainCards(rule)),
  );
  return barrier(possible);
}

const isAboutCertainCards = ({ atrs, serials }: Rule): boolean =>
  atrs !== undefined || serials !== undefined;

/** Whether it is about the card as a whole, and not about some of its commands. */
const isAboutAll = ({ aids, cla, ins, p1, p2 }: Rule): boolean =>
  [aids, cla, ins, p1, p2].every((one) => one === undefined);

/**
 * Whether a rule of {@link rulesFor} matches a command. What is not certain, such as the application, matches rules that
 * deny and none that allow; a malformed command is allowed by no rule.
 */
export function matchesCommand(rule: Rule, command: CommandView, selection: Selection): boolean {
  const isDenial = rule.verdict === "deny";
  if (!isDenial && !command.isWellFormed) return false;
  const isApplication = isDenial ? mayBe : isCertainly;
  if (rule.aids && !rule.aids.some((aid) => isApplication(selection, aid))) return false;
  const isClass = rule.cla
    ? matchesByte(rule.cla, command.cla === undefined ? undefined : command.plain, isDenial)
    : isDenial || command.plain === 0;
  return (
    isClass &&
    matchesByte(rule.ins, command.ins, isDenial) &&
    matchesByte(rule.p1, command.p1, isDenial) &&
    matchesByte(rule.p2, command.p2, isDenial)
  );
}

/** @param ifAbsent what is so of a byte that the command does not have. */
function matchesByte(
  masks: readonly ByteMask[] | undefined,
  byte: number | undefined,
  ifAbsent: boolean,
): boolean {
  if (masks === undefined) return true;
  if (byte === undefined) return ifAbsent;
  for (const { value, mask } of masks) if (((byte ^ value) & mask) === 0) return true;
  return false;
}
