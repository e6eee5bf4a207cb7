import type { CardSession } from "../../domain/card-service.ts";
import { ANSWER_HEAD } from "../../wire/link/answers.ts";
import { MAX_PAYLOAD } from "../../wire/link/frames.ts";

const GET_RESPONSE = 0xc0;
/** SW1 of an answer that has more to be fetched (ISO/IEC 7816-4, clause 5.6). */
const MORE = 0x61;
/** Most answers that are fetched for one command: 16 KiB. */
const MAX_ANSWERS = 64;

/**
 * After 61xx, what GET RESPONSE answers, again and again until the card has no more, so that its program need not wait
 * for a turn of the line each time.
 *
 * @param answered.flags of the call: its program's CLA byte of GET RESPONSE in bits 8 to 15.
 * @param answered.data the answer to the command itself.
 * @returns none where there is nothing to fetch. What fails is not among them: its program then asks, and is told.
 */
export async function fetchAhead(
  session: CardSession,
  answered: {
    readonly pci: { readonly send: number; readonly receive: number };
    readonly flags: number;
    readonly data: Uint8Array;
  },
): Promise<readonly Uint8Array[]> {
  const { data, flags, pci } = answered;
  const fetched: Uint8Array[] = [];
  let last = data;
  // Whatever the next answer is, there must be room for it in the frame.
  let room = MAX_PAYLOAD - data.length;
  while (fetched.length < MAX_ANSWERS && room >= ANSWER_HEAD) {
    const [sw1, sw2] = last.subarray(-2);
    if (sw1 !== MORE || sw2 === undefined) break;
    const command = Uint8Array.of((flags >> 8) & 0xff, GET_RESPONSE, 0, 0, sw2);
    try {
      last = (await session.transmit(command, pci)).data;
    } catch {
      break;
    }
    if (ANSWER_HEAD + last.length > room) break;
    fetched.push(last);
    room -= ANSWER_HEAD + last.length;
  }
  return fetched;
}
