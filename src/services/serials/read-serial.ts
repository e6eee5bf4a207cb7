import { ProtocolError } from "../../domain/errors.ts";
import { parseCommand } from "../../wire/iso7816/apdu.ts";
import { wholeAnswer } from "../whole-answer.ts";
import { type Source, sources } from "./sources.ts";

export interface Serial {
  readonly serial: string;
  /** Where the card keeps it: {@link Source.name}. */
  readonly from: string;
}

/** All is well; or the file ended before Le (ISO/IEC 7816-4, 5.6). */
const WELL: ReadonlySet<number> = new Set([0x9000, 0x6282]);

/**
 * Asks a card for its serial number.
 *
 * @param transmit sends one command APDU, and resolves with the answer.
 * @returns undefined for a card that tells none.
 * @throws whatever `transmit` does.
 */
export async function readSerial(
  transmit: (apdu: Uint8Array) => Promise<Uint8Array>,
): Promise<Serial | undefined> {
  for (const source of sources) {
    const answer = await lastAnswer(source, transmit);
    const serial = answer && readIn(source, answer);
    if (serial !== undefined) return { serial, from: source.name };
  }
  return undefined;
}

async function lastAnswer(
  { commands }: Source,
  transmit: (apdu: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array | undefined> {
  let last: Uint8Array | undefined;
  for (const command of commands) {
    const apdu = parseCommand(command);
    if (!apdu) throw new TypeError("a source has a command that is none");
    const { sw, data } = await wholeAnswer(apdu, transmit);
    if (!WELL.has(sw)) return undefined;
    last = data;
  }
  return last;
}

function readIn({ read }: Source, answer: Uint8Array): string | undefined {
  try {
    return read(answer);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined; // the card has something else there
    throw error;
  }
}
