import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";

// What it tells of pcscd's lock that a call was refused.

export const isCode = (error: unknown, rv: number): error is ReturnCodeError =>
  error instanceof ReturnCodeError && error.rv === rv;

/** How many levels of the lock an end has ended that was refused. */
export function endsLevels(error: unknown): number {
  // The notice comes first, and the lock stays (protocol reference, section 5.5).
  const isKept = [Rv.ResetCard, Rv.SharingViolation, Rv.InvalidValue].some((rv) =>
    isCode(error, rv),
  );
  if (isKept) return 0;
  // A reader that cannot eject says so, and the transaction ends all the same.
  return isCode(error, Rv.UnsupportedFeature) ? 1 : Number.POSITIVE_INFINITY;
}

/** Whether the card has gone of who had the lock: nothing else takes it from him. */
export const isLockLost = (error: unknown): boolean =>
  [Rv.NotTransacted, Rv.RemovedCard, Rv.NoSmartcard, Rv.SharingViolation].some((rv) =>
    isCode(error, rv),
  );
