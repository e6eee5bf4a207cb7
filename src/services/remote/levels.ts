import type { Reader } from "../../domain/card-service.ts";
import { ShareMode } from "../../domain/pcsc.ts";

/** How often one handle has the card for itself: its transactions, and exclusive access, which counts as one more. */
export class Levels {
  #depth = 0;
  /** The event counter when the last transaction began: a removal ends all of them. */
  #beganAt: number | undefined;
  #isExclusive = false;
  /** The same for exclusive access: a removal opens that lock, and nothing closes it again. */
  #lockedAt: number | undefined;

  /** Whether a transaction is open. */
  get isBegun(): boolean {
    return this.#depth > 0;
  }

  /** Whether others are kept off the card. */
  get holds(): boolean {
    return this.#depth > 0 || this.#isExclusive;
  }

  begin(reader: Reader | undefined): void {
    this.#depth += 1;
    this.#beganAt = reader?.eventCounter;
  }

  end({ all = false } = {}): void {
    this.#depth = all ? 0 : Math.max(0, this.#depth - 1);
  }

  /** The handle's share mode is this from now on. */
  share(share: number, reader: Reader | undefined): void {
    const isExclusive = share === ShareMode.Exclusive;
    if (isExclusive && !this.#isExclusive) this.#lockedAt = reader?.eventCounter;
    this.#isExclusive = isExclusive;
  }

  forget(): void {
    this.#depth = 0;
    this.#isExclusive = false;
  }

  /** Whether an end cannot be refused: a transaction is open, and no card that went away took it along. */
  endIsGranted(reader: Reader | undefined): boolean {
    const isStillThere = reader !== undefined && reader.eventCounter === this.#beganAt;
    // Exclusive access counts one, without which the last end is refused.
    const isCounted = !this.#isExclusive || this.#beganAt === this.#lockedAt;
    return this.#depth > 0 && isStillThere && isCounted;
  }
}
