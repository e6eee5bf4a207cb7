import { Protocol } from "../../domain/pcsc.ts";

/** What an answer to reset says that a resource manager has to know. */
export interface AnswerToReset {
  /** Bit set of the protocols offered: 1 T=0, 2 T=1; others are left out. */
  readonly offered: number;
  /** The one that is in force until something else is negotiated. */
  readonly first: number;
  /** 0 to 15 bytes that the card's maker put there. */
  readonly historical: Uint8Array;
}

/** The shortest there is: TS and T0. */
const MIN_LENGTH = 2;
const DIRECT_CONVENTION = 0x3b;
const INVERSE_CONVENTION = 0x3f;
/** Of Y, the high half of T0 and of each TD: which interface bytes follow. */
const HAS = { TA: 1, TB: 2, TC: 4, TD: 8 } as const;

const protocolOf = (t: number): number => [Protocol.T0, Protocol.T1][t] ?? Protocol.Undefined;

/**
 * Reads an answer to reset (ISO/IEC 7816-3, clause 8.2). Its check byte is not looked at, as pcscd does not.
 *
 * @param atr 2 to 33 bytes.
 * @returns undefined when it is none: too short for what it announces, or no TS that there is.
 */
export function parseAtr(atr: Uint8Array): AnswerToReset | undefined {
  const [ts, t0] = atr;
  if (atr.length < MIN_LENGTH || ts === undefined || t0 === undefined) return undefined;
  if (ts !== DIRECT_CONVENTION && ts !== INVERSE_CONVENTION) return undefined;
  let at = MIN_LENGTH;
  let follows = t0 >> 4;
  let offered: number = Protocol.Undefined;
  let first: number | undefined;
  for (let group = 1; follows !== 0; group += 1) {
    // TA2: the card is in specific mode, and speaks this protocol only (clause 8.3).
    const ta = follows & HAS.TA ? atr[at] : undefined;
    if (group === 2 && ta !== undefined) {
      const only = protocolOf(ta & 0x0f);
      return { offered: only, first: only, historical: historicalOf(atr, t0) };
    }
    at += countBits(follows & (HAS.TA | HAS.TB | HAS.TC));
    if ((follows & HAS.TD) === 0) break;
    const td = atr[at];
    if (td === undefined) return undefined;
    at += 1;
    follows = td >> 4;
    const protocol = protocolOf(td & 0x0f);
    offered |= protocol;
    first ??= protocol === Protocol.Undefined ? undefined : protocol;
  }
  if (at + (t0 & 0x0f) > atr.length) return undefined;
  return {
    // Without any TD the card speaks T=0.
    offered: offered === Protocol.Undefined ? Protocol.T0 : offered,
    first: first ?? Protocol.T0,
    historical: atr.slice(at, at + (t0 & 0x0f)),
  };
}

const countBits = (bits: number): number => [1, 2, 4, 8].filter((bit) => bits & bit).length;

/** Where the interface bytes are not read to their end. */
function historicalOf(atr: Uint8Array, t0: number): Uint8Array {
  let at = MIN_LENGTH;
  for (let follows = t0 >> 4; follows !== 0; ) {
    at += countBits(follows & (HAS.TA | HAS.TB | HAS.TC));
    if ((follows & HAS.TD) === 0) break;
    follows = (atr[at] ?? 0) >> 4;
    at += 1;
  }
  return atr.slice(at, at + (t0 & 0x0f));
}
