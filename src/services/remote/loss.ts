import type { Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Type } from "../../wire/link/frames.ts";

/** What a handle remembers whose link was lost, and says until it is reconnected. */
export class Loss {
  readonly #before: Reader | undefined;
  #told: number | undefined;

  /** @param before what was in the reader then. */
  constructor(before: Reader | undefined) {
    this.#before = before;
  }

  /** What it said already, which it says again. */
  get told(): number | undefined {
    return this.#told;
  }

  /** `SCARD_W_RESET_CARD` while the card is the same as before, else `SCARD_W_REMOVED_CARD`. */
  tell(now: Reader | undefined): number {
    const before = this.#before;
    const isSame =
      before !== undefined &&
      now?.eventCounter === before.eventCounter &&
      hex(now.atr) === hex(before.atr);
    this.#told = isSame ? Rv.ResetCard : Rv.RemovedCard;
    return this.#told;
  }
}

/** Whether nobody knows if a call was carried out whose link was lost; what others did ended with the link. */
export const outlivesLink = (type: Type): boolean =>
  type === Type.Transmit || type === Type.Control || type === Type.SetAttribute;

/** Whether a call failed because its card was reset or removed. */
export const isNotice = (error: unknown): error is ReturnCodeError =>
  error instanceof ReturnCodeError && (error.rv === Rv.ResetCard || error.rv === Rv.RemovedCard);

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
