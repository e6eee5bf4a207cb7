import type { Carrier } from "../../carriers/carrier.ts";
import { CardwireError, ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { negotiate } from "./handshake.ts";

/**
 * How somebody who accepts connections takes a VERSION request:
 *
 * - `answers`: as pcscd does, whatever version it speaks.
 * - `hangs-up`: closes without an answer; so does a forward whose other end is gone.
 * - `silent`: neither within the limit; so does a forward whose line is cut.
 */
export type Liveliness = "answers" | "hangs-up" | "silent";

/**
 * Finds out whether a living pcscd, or something that speaks as one, is at the end of a carrier.
 *
 * @throws the signal's reason.
 */
export async function liveliness(
  carrier: Carrier,
  { limitMs, signal }: { limitMs: number; signal: AbortSignal },
): Promise<Liveliness> {
  const limit = AbortSignal.timeout(limitMs);
  using either = firstSignal(signal, limit);
  try {
    const { connection } = await negotiate(carrier, either);
    connection.close();
    return "answers";
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) return "silent";
    const isAnswer =
      error instanceof ReturnCodeError ||
      (CardwireError.is(error) && error.code === "E_PCSCD_VERSION");
    return isAnswer ? "answers" : "hangs-up";
  }
}
