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
  const command = instructionName(cla, ins);
  if (command === undefined || !parseCommand(apdu)) return { sent };
  return { command, header: hexOf(cla) + hexOf(ins) + hexOf(apdu[2]) + hexOf(apdu[3]), sent };
}

/** SW1 SW2 in hexadecimal digits; undefined where an answer has none. */
export const tellStatusWord = (answer: Uint8Array): string | undefined =>
  answer.length < 2
    ? undefined
    : hexOf(answer[answer.length - 2]) + hexOf(answer[answer.length - 1]);

const digits = Array.from({ length: 0x100 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const hexOf = (byte = 0): string => digits[byte] ?? "";
