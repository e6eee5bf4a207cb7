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
  const [cla = 0, ins = 0, p1 = 0, p2 = 0] = apdu;
  const command = instructionName(cla, ins);
  if (command === undefined || !parseCommand(apdu)) return { sent };
  return { command, header: Buffer.from([cla, ins, p1, p2]).toString("hex"), sent };
}

/** SW1 SW2 in hexadecimal digits; undefined where an answer has none. */
export const tellStatusWord = (answer: Uint8Array): string | undefined =>
  answer.length < 2 ? undefined : Buffer.from(answer.subarray(-2)).toString("hex");
