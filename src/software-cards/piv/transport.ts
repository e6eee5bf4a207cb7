import type { CommandApdu, ResponseApdu } from "../../wire/iso7816/apdu.ts";
import { Sw } from "./command.ts";

/** The bit of CLA that says that more of the command follows (ISO/IEC 7816-4, 5.3.3). */
const MORE_FOLLOWS = 0x10;

/** The longest command in several parts, bytes: an object of PUT DATA and what names it. */
const MAX_COMMAND = 16_384 + 64;

/** Puts together a command that comes in several parts. */
export class ChainedCommand {
  #begun: CommandApdu | undefined;
  #parts: Uint8Array[] = [];
  #length = 0;

  /**
   * @returns the whole command with its last part; before that, or when it is too long, what to answer to this part. A
   *   part of another command ends what was begun, and begins its own.
   */
  add(apdu: CommandApdu): CommandApdu | { readonly sw: number } {
    const { ins, p1, p2 } = this.#begun ?? {};
    if (ins !== apdu.ins || p1 !== apdu.p1 || p2 !== apdu.p2) this.#forget();
    this.#begun = apdu;
    if (apdu.data.length > 0) this.#parts.push(apdu.data);
    this.#length += apdu.data.length;
    // One in a single part is no longer than its length field allows, and its command says what is wrong with it.
    if (this.#parts.length > 1 && this.#length > MAX_COMMAND) {
      this.#forget();
      return { sw: Sw.WrongLength };
    }
    if ((apdu.cla & MORE_FOLLOWS) !== 0) return { sw: Sw.Success };
    const data = Buffer.concat(this.#parts);
    this.#forget();
    return { ...apdu, data };
  }

  #forget(): void {
    this.#begun = undefined;
    this.#parts = [];
    this.#length = 0;
  }
}

/** An answer without Le, or with one of a short command, is given in pieces of so many bytes. */
const SHORT_MAX = 256;
const MORE_BYTES = 0x6100;

/** Gives an answer in pieces: the first at once, the others by GET RESPONSE (ISO/IEC 7816-4, 11.8.1). */
export class PendingAnswer {
  #left: ResponseApdu | undefined;

  first(answer: ResponseApdu, le: number | undefined): ResponseApdu {
    if (answer.data.length <= (le ?? SHORT_MAX)) return answer;
    this.#left = answer;
    return this.#piece(answer, le ?? SHORT_MAX);
  }

  next({ p1, p2, le = SHORT_MAX }: CommandApdu): ResponseApdu {
    if (p1 !== 0 || p2 !== 0) return { data: new Uint8Array(0), sw: Sw.WrongP1P2 };
    if (!this.#left) return { data: new Uint8Array(0), sw: Sw.ConditionsNotSatisfied };
    return this.#piece(this.#left, le);
  }

  #piece({ data, sw }: ResponseApdu, le: number): ResponseApdu {
    const rest = data.subarray(le);
    if (rest.length === 0) {
      this.#left = undefined;
      return { data, sw };
    }
    this.#left = { data: rest, sw };
    // SW2 is how many are left, or 0 for as many as fit and more.
    const sw2 = rest.length < SHORT_MAX ? rest.length : 0;
    return { data: data.subarray(0, le), sw: MORE_BYTES | sw2 };
  }
}
