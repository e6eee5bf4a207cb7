import type { Reader } from "../../domain/card-service.ts";
import { ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";

/**
 * How often one handle has the card for itself: its transactions, and exclusive access, which counts as one more. Two
 * bounds, since a call that resets the card, or is refused, does not tell how many it left.
 */
export class Levels {
  /** Transactions that are open for certain. */
  #least = 0;
  /** As many may be open. */
  #most = 0;
  /** The event counter when the last transaction began: a removal ends all of them. */
  #beganAt: number | undefined;
  #isExclusive = false;
  /** The same for exclusive access: a removal opens that lock, and nothing closes it again. */
  #lockedAt: number | undefined;

  /** Whether a transaction is open for certain. */
  get isBegun(): boolean {
    return this.#least > 0;
  }

  /** Whether others may be kept off the card. */
  get holds(): boolean {
    return this.#most > 0 || this.#isExclusive;
  }

  begin(reader: Reader | undefined): void {
    this.#least += 1;
    this.#most += 1;
    this.#beganAt = reader?.eventCounter;
  }

  /** One transaction was ended. */
  end(): void {
    this.#least = Math.max(0, this.#least - 1);
    this.#most = Math.max(0, this.#most - 1);
  }

  /** Transactions may have ended. */
  doubt(): void {
    this.#least = 0;
  }

  /**
   * The handle was told of a reset or removal. The latter ends every transaction, and the former ended what was open:
   * nobody else could have made it.
   */
  noticed(rv: number): void {
    if (rv === Rv.RemovedCard || this.isBegun) this.clear();
    else this.doubt();
  }

  /** None is open. */
  clear(): void {
    this.#least = 0;
    this.#most = 0;
  }

  /** The handle's share mode is this from now on. Exclusive access that ends leaves its level to be ended (seen with 1.9.9). */
  share(share: number, reader: Reader | undefined): void {
    const isExclusive = share === ShareMode.Exclusive;
    if (isExclusive && !this.#isExclusive) this.#lockedAt = reader?.eventCounter;
    if (!isExclusive && this.#isExclusive) this.#most += 1;
    this.#isExclusive = isExclusive;
  }

  /** The handle is closed, or lost. */
  forget(): void {
    this.clear();
    this.#isExclusive = false;
  }

  /** Whether an end cannot be refused: a transaction is open, and no card that went away took it along. */
  endIsGranted(reader: Reader | undefined): boolean {
    const isStillThere = reader !== undefined && reader.eventCounter === this.#beganAt;
    // Exclusive access counts one, without which the last end is refused.
    const isCounted = !this.#isExclusive || this.#beganAt === this.#lockedAt;
    return this.isBegun && isStillThere && isCounted;
  }
}
