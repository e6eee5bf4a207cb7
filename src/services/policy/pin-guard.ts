import type { CommandView } from "./command-view.ts";
import type { Seen } from "./need.ts";
import { type AidPattern, isCertainly, mayBe, type Selection, startsWith } from "./selection.ts";

/** How many tries of one reference are known to be left. */
interface Known {
  readonly aid: Uint8Array;
  readonly reference: number;
  left: number;
}

const [VERIFY, VERIFY_TLV, CHANGE, CHANGE_TLV, UNBLOCK, UNBLOCK_TLV] = [
  0x20, 0x21, 0x24, 0x25, 0x2c, 0x2d,
] as const;
/** RESET RETRY COUNTER counts the tries of another reference than the one that it names. */
const RESETTING_CODE = 0x100;
const LOG_OUT = 0xff;
const SUCCESS = 0x9000;
const BLOCKED = 0x6983;
/** More than this are not remembered. */
const MAX_KNOWN = 64;
/** As many as must stay unless told otherwise. */
export const KEPT_TRIES = 1;

/**
 * Keeps those who are not allowed it from blocking a card: refuses a try where no more than a few are known to remain. It
 * knows only what status words told, `63CX` and `6983` (ISO/IEC 7816-4, 5.6, 11.6.6), and asks the card nothing. What it
 * knows is the card's and outlives resets.
 */
export class PinGuard {
  readonly #keep: number;
  #known: Known[] = [];

  constructor(keep: number = KEPT_TRIES) {
    this.#keep = keep;
  }

  /** How many tries remain, if so few that this command may not be one. */
  refuses({ command, isBare }: Seen, selection: Selection): number | undefined {
    const reference = referenceOf(command, selection);
    if (reference === undefined || isBare || this.#known.length === 0) return undefined;
    const left = Math.min(
      ...this.#about(selection, reference).map((known) => known.left),
      Number.POSITIVE_INFINITY,
    );
    return left <= this.#keep ? left : undefined;
  }

  /** Without data in it a command was a question, and its success says nothing of the tries. */
  answered({ command, isBare }: Seen, selection: Selection, sw: number): void {
    const reference = referenceOf(command, selection);
    if (reference === undefined || command.isChained) return;
    if ((sw & 0xfff0) === 0x63c0) this.#remember(selection, reference, sw & 0x0f);
    else if (sw === BLOCKED) this.#remember(selection, reference, 0);
    else if (sw === SUCCESS && !isBare) {
      this.#forget(selection, reference);
      if (reference > 0xff) this.#forget(selection, reference & 0xff);
    }
  }

  /** Nobody knows whether it was a try. @returns is to be called if it turns out to have been none. */
  lost({ command }: Seen, selection: Selection): () => void {
    const reference = referenceOf(command, selection);
    const about = reference === undefined ? [] : this.#about(selection, reference);
    const fewer = about.filter(({ left }) => left > 0);
    for (const known of fewer) known.left -= 1;
    return () => {
      for (const known of fewer) known.left += 1;
    };
  }

  /** Another card. */
  clear(): void {
    this.#known = [];
  }

  /** In doubt the same: one application may stand behind both, and in that application one PIN. */
  #about(selection: Selection, reference: number): readonly Known[] {
    return this.#known.filter((known) => {
      if (!mayBe(selection, { bytes: known.aid, isPrefix: true })) return false;
      const mayBeOpenPgp = mayBe(selection, OPENPGP) && mayBe(known, OPENPGP);
      return (
        known.reference === reference || (mayBeOpenPgp && known.reference === other(reference))
      );
    });
  }

  #remember(selection: Selection, reference: number, left: number): void {
    this.#forget(selection, reference);
    this.#known.push({ aid: selection.aid, reference, left });
    if (this.#known.length > MAX_KNOWN) this.#known.shift();
  }

  /** What was known under the very same name. Under another it may be about another application. */
  #forget({ aid }: Selection, reference: number): void {
    this.#known = this.#known.filter(
      (known) =>
        known.reference !== reference ||
        known.aid.length !== aid.length ||
        !startsWith(known.aid, aid),
    );
  }
}

const OPENPGP: AidPattern = {
  bytes: Uint8Array.of(0xd2, 0x76, 0x00, 0x01, 0x24, 0x01),
  isPrefix: true,
};
/** OpenPGP card 3.4, 4.2: 81 and 82 are one PIN. */
const [SIGNING, ALL_ELSE] = [0x81, 0x82] as const;

/** What names the same PIN in OpenPGP. */
const other = (reference: number): number | undefined =>
  reference === SIGNING ? ALL_ELSE : reference === ALL_ELSE ? SIGNING : undefined;

/** The reference whose tries a command costs; of two for one PIN the first, where that is certain. */
function referenceOf({ kind, ins, p1, p2 }: CommandView, selection: Selection): number | undefined {
  if (kind !== "interindustry" || p2 === undefined || p1 === LOG_OUT) return undefined;
  if (ins === VERIFY || ins === VERIFY_TLV || ins === CHANGE || ins === CHANGE_TLV)
    return p2 === ALL_ELSE && isCertainly(selection, OPENPGP) ? SIGNING : p2;
  return ins === UNBLOCK || ins === UNBLOCK_TLV ? RESETTING_CODE | p2 : undefined;
}
