/** What is known of the application that is selected: what its identifier begins with (ISO/IEC 7816-4, 12.3.4). */
export interface Selection {
  /** 0 to 16 bytes; empty while nothing is known. */
  readonly aid: Uint8Array;
  /** Whether the card told that this is the whole identifier. */
  readonly isWhole: boolean;
}

/** Any application: after a reset the card's own choice, and whenever nobody can tell. */
export const ANY_APPLICATION: Selection = { aid: new Uint8Array(0), isWhole: false };

/** Which applications are meant. */
export interface AidPattern {
  /** 1 to 16 bytes. */
  readonly bytes: Uint8Array;
  /** Whether all identifiers that begin so are meant, or this one only. */
  readonly isPrefix: boolean;
}

/** Longest identifier, bytes. */
export const MAX_AID = 16;

/** Whether the selected application is one of those meant, beyond doubt. */
export function isCertainly({ aid, isWhole }: Selection, pattern: AidPattern): boolean {
  if (!startsWith(aid, pattern.bytes)) return false;
  return pattern.isPrefix || (isWhole && aid.length === pattern.bytes.length);
}

/**
 * Whether it could be one of them. In doubt it is: there are cards that take a longer name than the one an application
 * has, so a name that goes on behind the pattern is no proof of another application.
 */
export const mayBe = ({ aid }: Pick<Selection, "aid">, { bytes }: AidPattern): boolean =>
  startsWith(aid, bytes) || startsWith(bytes, aid);

export function startsWith(bytes: Uint8Array, begin: Uint8Array): boolean {
  if (begin.length > bytes.length) return false;
  for (let at = 0; at < begin.length; at += 1) if (bytes[at] !== begin[at]) return false;
  return true;
}
