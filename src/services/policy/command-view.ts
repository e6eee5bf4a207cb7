/** What a class byte says of a command (ISO/IEC 7816-4:2020, 5.4.1, tables 2 and 3; GlobalPlatform 2.3, 11.1.4). */
export interface ClassView {
  /**
   * "interindustry" where the standard says what INS means; "proprietary" where the card's maker does; "reader" for FF,
   * which never reaches a card (PC/SC part 3, 3.2.2); "reserved" for classes that mean nothing yet.
   */
  readonly kind: "interindustry" | "proprietary" | "reader" | "reserved";
  /** The logical channel, 0 to 19; undefined where only the card's maker knows. */
  readonly channel: number | undefined;
  /** Whether the body is protected, so that nobody but the card can read it. */
  readonly isSecured: boolean;
  /** Whether more of the command follows in another APDU. */
  readonly isChained: boolean;
  /** The class without channel and chaining: `00` for all plain ones of the standard, `80` for GlobalPlatform's. */
  readonly plain: number;
}

/** A command APDU as the filter sees it: whatever the bytes are, and without a copy of them. */
export interface CommandView extends ClassView {
  /** Absent where the command ends before them. */
  readonly cla: number | undefined;
  readonly ins: number | undefined;
  readonly p1: number | undefined;
  readonly p2: number | undefined;
  /** Whether its lengths agree with each other, in one of the seven forms of ISO/IEC 7816-4, 5.2. */
  readonly isWellFormed: boolean;
  /** Whether its lengths have two bytes. A card that does not know of those takes them for something else. */
  readonly isExtended: boolean;
  /** Nothing but a header, or `00` behind it: no card finds any data in it, whatever its transport. */
  readonly isBare: boolean;
  /** A part of the command's bytes; empty where there is none. */
  readonly data: Uint8Array;
}

const HEADER = 4;
const NOTHING = new Uint8Array(0);

/** Reads a command without trusting anything that it says of itself. Never throws. */
export function viewCommand(apdu: Uint8Array): CommandView {
  // Not taken apart as a list: that has an iterator, and this is done for each command.
  const cla = apdu[0];
  const ins = apdu[1];
  const p1 = apdu[2];
  const p2 = apdu[3];
  const { kind, channel, isSecured, isChained, plain } = classes[cla ?? RESERVED] ?? reserved(0);
  const data = apdu.length < HEADER ? undefined : bodyOf(apdu);
  return {
    cla,
    ins,
    p1,
    p2,
    kind,
    channel,
    isSecured,
    isChained,
    plain,
    isWellFormed: data !== undefined,
    isExtended: apdu.length > HEADER + 1 && apdu[HEADER] === 0,
    isBare: apdu.length === HEADER || (apdu.length === HEADER + 1 && apdu[HEADER] === 0),
    data: data ?? NOTHING,
  };
}

/** The data of a command; undefined where its lengths contradict each other. */
function bodyOf(apdu: Uint8Array): Uint8Array | undefined {
  const body = apdu.length - HEADER;
  if (body <= 1) return NOTHING; // cases 1 and 2
  const first = apdu[HEADER] ?? 0;
  if (first !== 0) return dataOf(apdu, HEADER + 1, first, 1);
  if (body < 3) return undefined;
  if (body === 3) return NOTHING; // case 2, extended
  const length = (apdu[HEADER + 1] ?? 0) * 0x100 + (apdu[HEADER + 2] ?? 0);
  return length === 0 ? undefined : dataOf(apdu, HEADER + 3, length, 2);
}

/** Cases 3 and 4: data to the end, or with an Le of so many bytes behind it. */
function dataOf(
  apdu: Uint8Array,
  from: number,
  length: number,
  leBytes: number,
): Uint8Array | undefined {
  const rest = apdu.length - from - length;
  return rest === 0 || rest === leBytes ? apdu.subarray(from, from + length) : undefined;
}

const CHAINING = 0x10;
/** A class that is reserved, for commands that have none. */
const RESERVED = 0x20;

const reserved = (cla: number): ClassView => ({
  kind: "reserved",
  channel: undefined,
  isSecured: false,
  isChained: false,
  plain: cla,
});

/** Classes for channels 4 to 19 have one bit for secure messaging; it means this value of the two that the others have. */
const SECURED_WITHOUT_HEADER = 0x08;

/** What each of the 256 classes says. */
const classes: readonly ClassView[] = Array.from({ length: 0x100 }, (_, cla) => classOf(cla));

function classOf(cla: number): ClassView {
  if (cla === 0xff) return { ...reserved(cla), kind: "reader" };
  const kind = cla < 0x80 ? "interindustry" : "proprietary";
  const top = cla & 0x80;
  const isChained = (cla & CHAINING) !== 0;
  if ((cla & 0x60) === 0) {
    const secure = cla & 0x0c;
    return { kind, channel: cla & 3, isSecured: secure !== 0, isChained, plain: top | secure };
  }
  if ((cla & 0x40) !== 0) {
    const secure = cla & 0x20 ? SECURED_WITHOUT_HEADER : 0;
    const channel = 4 + (cla & 0x0f);
    return { kind, channel, isSecured: secure !== 0, isChained, plain: top | secure };
  }
  // 20 to 3F are reserved by the standard; A0 to BF are of makers, such as those of SIM cards.
  return kind === "interindustry" ? reserved(cla) : { ...reserved(cla), kind };
}
