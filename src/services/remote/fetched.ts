import { Flag } from "../../wire/link/frames.ts";

const GET_RESPONSE = 0xc0;
const MORE = 0x61;
const NONE: readonly Uint8Array[] = [];
/** An answer to a command for bytes that the card has given away already (no precise diagnosis, ISO/IEC 7816-4). */
const NO_DIAGNOSIS = Uint8Array.of(0x6f, 0x00);

/** What has to be the same when an answer is given as when it was fetched. */
export interface Moment {
  /** What the program sends with. */
  readonly protocol: number;
  /** What was done to the card: {@link Holders.mark}. */
  readonly mark: number;
}

/** An answer of the card, and what the reader's driver said of its protocol. */
export interface Answer {
  readonly data: Uint8Array;
  readonly receiveProtocol: number;
}

/**
 * GET RESPONSE fetched at the other end before the program asks. Only for a program that has itself asked once in
 * this way: with P1 P2 0, Le as announced or 0, which asks for all that there is, and the same CLA; and never under
 * secure messaging. What was fetched is given for such a command only. Should the program ask otherwise, for fewer bytes
 * for instance, it hears 6F00, and nothing is fetched for it again: a card may answer that with so many and 61xx, or
 * with 6Cxx (ISO/IEC 7816-4, clause 5.6), and nobody can ask it any more.
 */
export class Fetched {
  /** CLA of the GET RESPONSE that the program sends. */
  #asksWith: number | undefined;
  #isOff = false;
  /** What SW2 announced, in the last answer that the program has seen. */
  #announced: number | undefined;
  /** What follows it, as far as it was fetched. */
  #answers: readonly Uint8Array[] = [];
  /** What came with them. */
  #receiveProtocol = 0;
  /** When it was. */
  #at: Moment = { protocol: 0, mark: -1 };

  /** Flags of the call that sends `command`. */
  flags(command: Uint8Array): number {
    const cla = command[0];
    if (this.#isOff || this.#asksWith === undefined || cla === undefined) return 0;
    return isSecure(cla) ? 0 : Flag.Fetch | (this.#asksWith << 8);
  }

  /** The answer to `command`, if it was fetched from this card before. Whatever else is sent lets go of it. */
  take(command: Uint8Array, now: Moment): Answer | undefined {
    const announced = this.#announced;
    const answers = this.#answers;
    this.forget();
    if (command[1] !== GET_RESPONSE) return undefined;
    const receiveProtocol = this.#receiveProtocol;
    const [answer, ...others] = answers;
    const [cla = 0, , p1, p2, le] = command;
    const isPlain = command.length === 5 && p1 === 0 && p2 === 0 && (le === announced || le === 0);
    if (isPlain && announced !== undefined && !isSecure(cla)) this.#asksWith ??= cla;
    if (!answer || !this.#isSame(now)) return undefined;
    if (isPlain && cla === this.#asksWith) {
      const known = { data: answer, receiveProtocol };
      this.see(known, now, others);
      return known;
    }
    this.#isOff = true;
    return { data: NO_DIAGNOSIS, receiveProtocol };
  }

  /** An answer of the card, when its command was sent, and what was fetched after it. */
  see({ data, receiveProtocol }: Answer, now: Moment, ahead: readonly Uint8Array[] = []): void {
    const sw2 = data[data.length - 1];
    this.#announced = data[data.length - 2] === MORE ? sw2 : undefined;
    this.#answers = ahead;
    this.#receiveProtocol = receiveProtocol;
    this.#at = now;
  }

  /** The card was reset, or its transaction ended: what it announced is void. */
  forget(): void {
    this.#announced = undefined;
    this.#answers = NONE;
  }

  #isSame({ protocol, mark }: Moment): boolean {
    return mark >= 0 && mark === this.#at.mark && protocol === this.#at.protocol;
  }
}

/** Whether a class byte says secure messaging (ISO/IEC 7816-4, clause 5.4.1; GlobalPlatform has the same bits from 80 on). */
const isSecure = (cla: number): boolean =>
  (cla & 0xe0) === 0x60 || (cla & 0xc0) === 0xc0 ? (cla & 0x20) !== 0 : (cla & 0x0c) !== 0;
