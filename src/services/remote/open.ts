import { ReturnCodeError } from "../../domain/errors.ts";
import { ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Flag, Type } from "../../wire/link/frames.ts";
import { type Calls, LinkLost } from "./calls.ts";
import type { RemoteHost } from "./host.ts";

/** A handle at the other end. */
export interface Opened {
  readonly calls: Calls;
  readonly card: number;
  readonly share: number;
  readonly activeProtocol: number;
  /** A moment ({@link Holders.mark}) at which it had no notice. */
  readonly mark: number;
}

/** The same ahead of its being carried out, where its outcome is foreseen. `refused` gets the code if it is not so. */
export function openAhead(
  host: RemoteHost,
  calls: Calls,
  how: { readonly reader: string; readonly share: number; readonly protocols: number },
  protocol: number,
): Opened & { readonly refused: Promise<number | undefined> } {
  const { reader, share } = how;
  const card = host.number(reader);
  const done = calls.call("SCardConnect", Type.Connect, { card, ...how }, { flags: Flag.Early });
  host.table.expect({ reader, handles: 1, ...(share !== ShareMode.Direct && { protocol }) }, done);
  const refused = done.then(
    () => undefined,
    (error: unknown) => (error instanceof ReturnCodeError ? error.rv : undefined), // else the link is lost
  );
  const mark = host.holders.mark(reader);
  return { calls, card, share, activeProtocol: protocol, mark, refused };
}

/** SCardConnect. @throws {ReturnCodeError} as it does; `SCARD_E_READER_UNAVAILABLE` when the link is lost. */
export async function open(
  host: RemoteHost,
  calls: Calls,
  how: { readonly reader: string; readonly share: number; readonly protocols: number },
  signal?: AbortSignal,
): Promise<Opened> {
  const { share } = how;
  const card = host.number(how.reader);
  const mark = host.holders.mark(how.reader);
  const stop = () => calls.cancel(card);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const { protocol } = await calls.call("SCardConnect", Type.Connect, { card, ...how });
    signal?.throwIfAborted(); // too late to be given up: it is ended below
    return { calls, card, share, activeProtocol: protocol, mark };
  } catch (error) {
    host.ended(card);
    if (!(error instanceof LinkLost)) calls.tell(Type.Abandon, { card });
    signal?.throwIfAborted();
    if (!(error instanceof LinkLost)) throw error;
    throw new ReturnCodeError("SCardConnect", Rv.ReaderUnavailable, { cause: error });
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
