import { returnCodes } from "./return-codes.ts";

const brand = Symbol.for("cardwire.error");

export interface ErrorDetails {
  /** The failure below this one. */
  readonly cause?: unknown;
  /** One sentence that says what to do next. The CLI prints it on a line of its own. */
  readonly hint?: string | undefined;
}

/** Base of every error that cardwire throws on purpose. Match on `code`: a code never changes its meaning. */
export class CardwireError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly [brand] = true;

  constructor(code: string, message: string, { cause, hint }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = hint;
  }

  /** `instanceof` that also works across two copies of this package in one process. */
  static is(error: unknown): error is CardwireError {
    return typeof error === "object" && error !== null && brand in error;
  }
}

/** A peer broke a wire protocol. Its connection is of no more use and is closed. */
export class ProtocolError extends CardwireError {
  constructor(message: string, details?: ErrorDetails) {
    super("E_PROTOCOL", message, details);
  }
}

/** What a PC/SC function tells although it failed. */
export interface ToldAnyway {
  /** How many bytes the answer has that did not fit, or that there is none. */
  readonly length?: number;
  /** What a refused connect or reconnect left negotiated with the card. */
  readonly activeProtocol?: number;
}

/** A PC/SC function returned something other than SCARD_S_SUCCESS. */
export class ReturnCodeError extends CardwireError {
  /** As PC/SC defines it, unsigned: `0x8010000b`. */
  readonly rv: number;
  readonly told: ToldAnyway;

  constructor(call: string, rv: number, details: ErrorDetails & ToldAnyway = {}) {
    const [code, text] = returnCodes[rv] ?? ["SCARD_UNKNOWN", "unknown return code"];
    super(code, `${call}: ${text} (0x${rv.toString(16).padStart(8, "0")})`, details);
    this.rv = rv;
    this.told = details;
  }
}
