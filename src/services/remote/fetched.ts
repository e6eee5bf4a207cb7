import { Flag } from "../../wire/link/frames.ts";

const GET_RESPONSE = 0xc0;
const MORE = 0x61;
/** An answer to a command for bytes that the card has given away already (no precise diagnosis, ISO/IEC 7816-4). */
const NO_DIAGNOSIS = Uint8Array.of(0x6f, 0x00);

/**
 * GET RESPONSE fetched at the other end before the program asks. Only for a program that has itself asked once in
 * this way: with P1 P2 0, Le as announced or 0, which asks for all that there is, and the same CLA; and never under
 * secure messaging. What was fetched is given for such a command only. Should the program ask otherwise, it hears 6F00,
 * and nothing is fetched for it again.
 */
export class Fetched {
  /** CLA of the GET RESPONSE that the program sends. */
  #asksWith: number | undefined;
  #isOff = false;
  /** What SW2 announced, in the last answer that the program has seen. */
  #announced: number | undefined;
  /** What follows it, as far as it was fetched. */
  #answers: readonly Uint8Array[] = [];

  /** Flags of the call that sends `command`. */
  flags(command: Uint8Array): number {
    const [cla] = command;
    if (this.#isOff || this.#asksWith === undefined || cla === undefined) return 0;
    return isSecure(cla) ? 0 : Flag.Fetch | (this.#asksWith << 8);
  }

  /** The answer to `command`, if it was fetched before. Whatever else is sent lets go of it. */
  take(command: Uint8Array): Uint8Array | undefined {
    const announced = this.#announced;
    const [answer, ...others] = this.#answers;
    this.forget();
    const [cla = 0, ins, p1, p2, le] = command;
    if (ins !== GET_RESPONSE) return undefined;
    const isPlain = command.length === 5 && p1 === 0 && p2 === 0 && (le === announced || le === 0);
    if (isPlain && announced !== undefined && !isSecure(cla)) this.#asksWith ??= cla;
    if (!answer) return undefined;
    if (isPlain && cla === this.#asksWith) {
      this.see(answer, others);
      return answer;
    }
    this.#isOff = true;
    return NO_DIAGNOSIS;
  }

  /** An answer of the card, and what was fetched after it. */
  see(data: Uint8Array, ahead: readonly Uint8Array[] = []): void {
    const [sw1, sw2] = data.subarray(-2);
    this.#announced = sw1 === MORE ? sw2 : undefined;
    this.#answers = ahead;
  }

  /** The card was reset, or its transaction ended: what it announced is void. */
  forget(): void {
    this.#announced = undefined;
    this.#answers = [];
  }
}

/** Whether a class byte says secure messaging (ISO/IEC 7816-4, clause 5.4.1; GlobalPlatform has the same bits from 80 on). */
const isSecure = (cla: number): boolean =>
  (cla & 0xe0) === 0x60 || (cla & 0xc0) === 0xc0 ? (cla & 0x20) !== 0 : (cla & 0x0c) !== 0;
