import { parseCommand } from "../wire/iso7816/apdu.ts";
import { instructionName } from "../wire/iso7816/instructions.ts";

/** What a record says of a command. */
export interface ToldCommand {
  /** As the standard calls it; absent where it is not certain to be a command at all. */
  readonly command?: string;
  /** CLA, INS, P1 and P2 in hexadecimal digits; absent likewise. */
  readonly header?: string;
  /** All of its bytes. */
  readonly sent: number;
}

/**
 * What may be told of an APDU: never its data, whatever it is, and its header only where the bytes are a well-formed
 * command of the standards'. Anything else may be anything, a PIN sent by mistake among them, and only its length is
 * told.
 */
export function tellCommand(apdu: Uint8Array): ToldCommand {
  const sent = apdu.length;
  const cla = apdu[0] ?? 0;
  const ins = apdu[1] ?? 0;
  const p1 = apdu[2] ?? 0;
  const p2 = apdu[3] ?? 0;
  const command = instructionName(cla, ins);
  if (command === undefined || isDoubtful(cla, ins, p1, p2) || !parseCommand(apdu)) return { sent };
  return { command, header: hexOf(cla) + hexOf(ins) + hexOf(p1) + hexOf(p2), sent };
}

/**
 * Whether the first four bytes may be something else than a command's header, whatever INS would mean: their class means
 * nothing to a card, or all of them are letters and digits.
 */
export const isDoubtful = (cla: number, ins: number, p1: number, p2: number): boolean =>
  (cla & RESERVED_BITS) === RESERVED ||
  cla === READER ||
  (isPrintable(cla) && isPrintable(ins) && isPrintable(p1) && isPrintable(p2));

/** ISO/IEC 7816-4:2020, 5.4.1: 20 to 3F are reserved. Digits are of them, and a PIN block of format 2 begins so (ISO 9564). */
const [RESERVED_BITS, RESERVED] = [0xe0, 0x20] as const;
/** Of commands to the reader, which no card sees (PC/SC part 3, 3.2.2). */
const READER = 0xff;
const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;

/** SW1 SW2 in hexadecimal digits; undefined where an answer has none. */
export const tellStatusWord = (answer: Uint8Array): string | undefined =>
  answer.length < 2
    ? undefined
    : hexOf(answer[answer.length - 2]) + hexOf(answer[answer.length - 1]);

const digits = Array.from({ length: 0x100 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const hexOf = (byte = 0): string => digits[byte] ?? "";
