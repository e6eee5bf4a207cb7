import { CardwireError } from "../domain/errors.ts";
import { explainStatusWord, statusWordHex } from "../wire/iso7816/status-word.ts";

/** A card answered with another status word than `9000`, where only that would do. */
export class StatusWordError extends CardwireError {
  /** SW1 and SW2 as one number: `0x6a82`. */
  readonly sw: number;
  /** What it answered besides. */
  readonly data: Uint8Array;

  constructor(sw: number, data: Uint8Array) {
    const text = explainStatusWord(sw);
    super("E_STATUS_WORD", `the card answered ${statusWordHex(sw)}${text ? `: ${text}` : ""}`);
    this.sw = sw;
    this.data = data;
  }
}
