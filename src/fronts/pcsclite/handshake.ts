import { Rv } from "../../domain/return-codes.ts";
import { MAJOR } from "../../wire/pcsclite/constants.ts";
import {
  type Dialect,
  dialectOf,
  type FixedSlots,
  NEWEST_MINOR,
  OLDEST_CLIENT_MINOR,
} from "../../wire/pcsclite/dialects.ts";

export interface VersionAnswer {
  readonly major: number;
  readonly minor: number;
  readonly rv: number;
  /** What is spoken from now on, where the version was accepted. */
  readonly dialect?: Dialect;
}

/**
 * Answers an application's VERSION request (protocol reference, section 6.5): every release is told its own version,
 * so that no two of them refuse each other. One newer than any that is known is asked once to come down to ours;
 * only once, because libpcsclite from 2.4.1 on would come back for ever.
 */
export function answerVersion(
  offer: { readonly major: number; readonly minor: number },
  { wasAskedDown, slots }: { wasAskedDown: boolean; slots: FixedSlots },
): VersionAnswer {
  const { major, minor } = offer;
  if (major !== MAJOR || minor < OLDEST_CLIENT_MINOR)
    return { major: MAJOR, minor: NEWEST_MINOR, rv: Rv.NoService };
  if (minor > NEWEST_MINOR && !wasAskedDown)
    return { major: MAJOR, minor: NEWEST_MINOR, rv: Rv.ServiceStopped };
  const spoken = Math.min(minor, NEWEST_MINOR);
  return { major: MAJOR, minor: spoken, rv: Rv.Success, dialect: dialectOf(spoken, slots) };
}
