import type { CardSession, ConnectOptions } from "../../domain/card-service.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { isCode } from "./refused.ts";

/**
 * Takes a handle's notice of a reset away. Where another protocol is active by now than its program wants, that is its
 * commands' affair: direct access takes a notice away as well, leaves the protocol alone, and is the same to pcscd.
 *
 * @throws {ReturnCodeError} as SCardReconnect.
 */
export async function hush(
  session: CardSession,
  how: Pick<ConnectOptions, "share" | "protocols">,
): Promise<void> {
  try {
    await session.reconnect(how, Disposition.Leave);
  } catch (error) {
    if (!isCode(error, Rv.ProtoMismatch)) throw error;
    await session.reconnect({ ...how, share: ShareMode.Direct }, Disposition.Leave);
  }
}
