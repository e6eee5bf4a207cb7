/**
 * A card as a program: command APDUs in, response APDUs out. Twenty lines make one:
 *
 * ```ts
 * class Greeter implements SoftwareCard {
 *   readonly atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
 *   process(command: Uint8Array) {
 *     const isHello = command[1] === 0x10;
 *     return isHello ? Buffer.from("hello\x90\x00", "latin1") : Uint8Array.of(0x6d, 0x00);
 *   }
 * }
 * ```
 */
export interface SoftwareCard {
  /** Its answer to reset, 2 to 33 bytes (ISO/IEC 7816-3, clause 8). Read at each power-up and reset. */
  readonly atr: Uint8Array;
  /** Power came, went, or the reset line was pulled: what was selected or verified is so no more. */
  reset?(): void;
  /**
   * Runs one command. The next is not given before this one is answered.
   *
   * @param command at most 65,548 bytes, as the program sent it: what it means, and whether it is well-formed, is for
   *   the card to say.
   * @returns the answer, SW1 SW2 last, 2 to 65,538 bytes.
   */
  process(command: Uint8Array): Uint8Array | Promise<Uint8Array>;
}
