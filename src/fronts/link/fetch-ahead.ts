import type { CardSession } from "../../domain/card-service.ts";
import { MAX_PAYLOAD } from "../../wire/link/frames.ts";

const GET_RESPONSE = 0xc0;
/** SW1 of an answer that has more to be fetched (ISO/IEC 7816-4, clause 5.6). */
const MORE = 0x61;

/**
 * After 61xx, what GET RESPONSE answers, so that its program need not wait for another turn of the line. Only one step
 * of a chain: should that answer be 61xx in turn, its program asks.
 *
 * @param answered.flags of the call: its program's CLA byte of GET RESPONSE in bits 8 to 15.
 * @param answered.data the answer to the command itself.
 * @returns undefined where there is nothing to fetch, or that fails: its program then asks, and is told.
 */
export async function fetchAhead(
  session: CardSession,
  answered: {
    readonly pci: { readonly send: number; readonly receive: number };
    readonly flags: number;
    readonly data: Uint8Array;
  },
): Promise<Uint8Array | undefined> {
  const { data, flags, pci } = answered;
  const [sw1, sw2] = data.subarray(-2);
  if (sw1 !== MORE || sw2 === undefined) return undefined;
  const command = Uint8Array.of((flags >> 8) & 0xff, GET_RESPONSE, 0, 0, sw2);
  try {
    const { data: ahead } = await session.transmit(command, pci);
    return ahead.length <= MAX_PAYLOAD ? ahead : undefined;
  } catch {
    return undefined;
  }
}
