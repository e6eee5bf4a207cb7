import type { CardService } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";

/**
 * How long programs are told that another has the card, ms. libpcsclite asks again on its own for as long as it is told
 * so, and a program that keeps a card for itself may do that for days: its connect would have been refused at once.
 */
const PATIENCE_MS = 5_000;

/**
 * A connect that its program took for granted, and that was refused because somebody at the card host was faster and has
 * the card for himself. It is tried again before each command, until it is granted or refused for another reason.
 */
export class OwedConnect {
  readonly share: number;
  readonly protocols: number;
  /** Transactions that its program believes it has begun. */
  begins = 0;
  readonly #service: CardService;
  readonly #reader: string;
  readonly #since = performance.now();
  readonly #eventCounter: number | undefined;

  constructor(
    service: CardService,
    reader: string,
    { share, protocols }: { readonly share: number; readonly protocols: number },
  ) {
    this.share = share;
    this.protocols = protocols;
    this.#service = service;
    this.#reader = reader;
    this.#eventCounter = this.#counter;
  }

  /** Whether the card is still the one that its program takes it for. */
  get isSameCard(): boolean {
    return this.#counter === this.#eventCounter;
  }

  /** What the command is told, where the connect is refused once more for the same reason. */
  refusal(call: string): ReturnCodeError {
    const isLate = performance.now() - this.#since > PATIENCE_MS;
    return new ReturnCodeError(call, isLate ? Rv.ReaderUnavailable : Rv.SharingViolation);
  }

  get #counter(): number | undefined {
    return this.#service.readers.find(({ name }) => name === this.#reader)?.eventCounter;
  }
}
