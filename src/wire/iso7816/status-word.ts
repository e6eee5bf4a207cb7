/** What status words say (ISO/IEC 7816-4:2020, table 6). Some carry a number in their last digits. */
const words: readonly (readonly [pattern: RegExp, text: string])[] = [
  [/^9000$/, "success"],
  [/^61../, "more bytes are ready"],
  [/^6200$/, "warning, nothing changed"],
  [/^6281$/, "part of the data may be corrupted"],
  [/^6282$/, "the end of the file came first"],
  [/^6283$/, "the selected file is deactivated"],
  [/^6300$/, "warning, something changed"],
  [/^63c0$/, "wrong, and no try is left"],
  [/^63c.$/, "wrong, and few tries are left"],
  [/^6581$/, "memory failure"],
  [/^6700$/, "wrong length"],
  [/^6881$/, "logical channels are not supported"],
  [/^6882$/, "secure messaging is not supported"],
  [/^6883$/, "the last command of the chain is missing"],
  [/^6884$/, "command chaining is not supported"],
  [/^6982$/, "security status not satisfied"],
  [/^6983$/, "blocked"],
  [/^6984$/, "reference data not usable"],
  [/^6985$/, "conditions of use not satisfied"],
  [/^6986$/, "command not allowed, nothing is selected"],
  [/^6a80$/, "wrong data"],
  [/^6a81$/, "function not supported"],
  [/^6a82$/, "not found"],
  [/^6a84$/, "not enough memory"],
  [/^6a86$/, "wrong P1 or P2"],
  [/^6a88$/, "reference data not found"],
  [/^6b00$/, "wrong P1 or P2"],
  [/^6c..$/, "wrong Le"],
  [/^6d00$/, "instruction not supported"],
  [/^6e00$/, "class not supported"],
  [/^6f00$/, "unknown error"],
];

/** A status word in hex: `6a82`. */
export const statusWordHex = (sw: number): string => sw.toString(16).padStart(4, "0");

/** What it says, as half a sentence, or nothing for one that only its card's maker knows. */
export function explainStatusWord(sw: number): string | undefined {
  const hex = statusWordHex(sw);
  return words.find(([pattern]) => pattern.test(hex))?.[1];
}

/** SW1 and SW2 of an answer as one number; 0 where it is too short to have any. */
export const statusWordOf = (answer: Uint8Array): number =>
  answer.length < 2
    ? 0
    : (answer[answer.length - 2] ?? 0) * 0x100 + (answer[answer.length - 1] ?? 0);
