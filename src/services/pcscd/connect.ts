import type { ConnectOptions } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import type { Barriers } from "./barriers.ts";
import type { Context } from "./handshake.ts";
import { type Left, release } from "./release.ts";

/** A handle as pcscd knows it, on a context, and so on a connection, of its own. */
export interface Opened {
  readonly context: Context;
  readonly card: number;
  readonly activeProtocol: number;
}

/**
 * SCardConnect on a context that is the caller's. Waits without limit while another program keeps the card in a
 * transaction.
 *
 * When `signal` aborts, it throws at once; should pcscd answer within 5 s, the handle is released, else the connection
 * is closed, which releases it later.
 * @throws {ReturnCodeError} as pcscd does. {@link CardwireError} `E_PCSCD_GONE` when the connection broke.
 */
export async function connect(
  context: Context,
  reader: string,
  { share, protocols }: Pick<ConnectOptions, "share" | "protocols">,
  { barriers, signal }: { barriers: Barriers; signal: AbortSignal },
): Promise<Opened> {
  const { connection, number } = context;
  await barriers.clear(reader, connection);
  if (signal.aborted) connection.close(); // before anything was sent, so nobody else sees to it
  signal.throwIfAborted();
  const answer = connection.request(Command.Connect, {
    context: number,
    reader,
    share,
    protocols,
    card: 0,
    activeProtocol: 0,
    rv: 0,
  });
  let left: Left | undefined;
  const noted = answer.then((reply) => {
    const { rv, card } = reply.body;
    if (rv === Rv.Success) left = { card, holds: share === ShareMode.Exclusive };
    return reply;
  });
  const { body } = await unlessAborted(noted, signal, () => {
    void release(context, reader, { barriers, inFlight: noted, left: () => left }); // never rejects
  });
  const { rv, activeProtocol } = body;
  if (rv !== Rv.Success) throw new ReturnCodeError("SCardConnect", rv, { activeProtocol });
  return { context, card: body.card, activeProtocol };
}

/** `promise`, or the signal's reason if that comes first; then `afterwards` sees to what is still under way. */
async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  afterwards: () => void,
): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => {
      afterwards();
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
