import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import {
  type CommandApdu,
  encodeCommand,
  parseResponse,
  type ResponseApdu,
} from "../wire/iso7816/apdu.ts";

const MORE = 0x61;
const WRONG_LE = 0x6c;
const GET_RESPONSE = 0xc0;
/** Longest answer that is put together, bytes: what one extended APDU could carry, and no card's mistake without end. */
const MAX_ANSWER = 1 << 20;

/**
 * Sends a command and puts its whole answer together: what waits behind `61xx` is fetched, and a short command with a
 * wrong Le (`6Cxx`) is sent again with the right one.
 *
 * @param transmit sends one APDU as it is, and resolves with the answer as it is.
 * @returns data and status word, whatever that is.
 * @throws {RangeError} when the command cannot be written.
 * @throws {ReturnCodeError} `SCARD_F_COMM_ERROR` for an answer without a status word, or without an end.
 */
export async function wholeAnswer(
  command: CommandApdu,
  transmit: (apdu: Uint8Array) => Promise<Uint8Array>,
): Promise<ResponseApdu> {
  const exchange = async (apdu: Uint8Array): Promise<ResponseApdu> => {
    const response = parseResponse(await transmit(apdu));
    if (!response) throw new ReturnCodeError("SCardTransmit", Rv.CommError);
    return response;
  };
  let answer = await exchange(encodeCommand(command));
  if (answer.sw >> 8 === WRONG_LE && (command.le ?? 0) <= 0x100)
    answer = await exchange(withLe(command, answer));
  const parts = [answer.data];
  for (let length = answer.data.length; answer.sw >> 8 === MORE; length += answer.data.length) {
    if (length > MAX_ANSWER) throw new ReturnCodeError("SCardTransmit", Rv.CommError);
    const next = { cla: command.cla, ins: GET_RESPONSE, p1: 0, p2: 0, data: new Uint8Array(0) };
    answer = await exchange(withLe(next, answer));
    parts.push(answer.data);
  }
  return { data: Uint8Array.from(Buffer.concat(parts)), sw: answer.sw };
}

/** The same command, with as many bytes wanted as the second byte of an answer's status word says. */
const withLe = (command: CommandApdu, { sw }: ResponseApdu): Uint8Array =>
  encodeCommand({ ...command, le: sw & 0xff || 0x100 });
