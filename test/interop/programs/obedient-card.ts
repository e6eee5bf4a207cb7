import type { VirtualCard } from "../../lab/card.ts";
import { pattern } from "../../lab/card.ts";

/** PIV's application identifier (NIST SP 800-73-4, part 1, 2.2). */
const PIV = Buffer.from("a000000308000010000100", "hex");
const OK = Uint8Array.of(0x90, 0x00);

/** What it may never be asked: the digits of a PIN, and what a signature fetches. */
export const SECRET = "5ec4e7";

/**
 * A card that refuses nothing, for those who attack what stands before it: whatever reaches it is done, and is in its log
 * by its header.
 */
class ObedientCard implements VirtualCard {
  readonly atr = Buffer.from("3b80800101", "hex");
  #log: string[] = [];
  #waiting: Uint8Array | undefined;

  power(): void {
    this.reset();
  }

  reset(): void {
    this.#waiting = undefined;
  }

  report() {
    return { counted: this.#log.length, log: this.#log };
  }

  transmit(apdu: Uint8Array): Uint8Array {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0] = apdu;
    this.#log.push(Buffer.from([cla, ins, p1, p2]).toString("hex"));
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (ins === 0xa4 && p1 === 0x04) return this.#select();
    if (ins === 0x70) return Uint8Array.of(0x01, 0x90, 0x00);
    if (ins === 0xe4) return Buffer.concat([pattern(p1 * 256 + p2), OK]);
    if (ins === 0xc0 && waiting) return Buffer.concat([waiting, OK]);
    if (ins !== 0x87 || (cla & 0x10) !== 0) return OK;
    this.#waiting = Buffer.from(SECRET, "hex");
    return Uint8Array.of(0x61, this.#waiting.length);
  }

  /** Whatever is asked for, PIV is selected. */
  #select(): Uint8Array {
    const name = Buffer.concat([Uint8Array.of(0x84, PIV.length), PIV]);
    return Buffer.concat([Uint8Array.of(0x6f, name.length), name, OK]);
  }
}

export const createCard = (): VirtualCard => new ObedientCard();
