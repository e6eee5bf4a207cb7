import type { CardSession } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import { untilAborted } from "../domain/until-aborted.ts";
import { wholeAnswer } from "../services/whole-answer.ts";
import type { ResponseApdu } from "../wire/iso7816/apdu.ts";
import { StatusWordError } from "./errors.ts";
import {
  type CardEnd,
  endNumber,
  type ProtocolName,
  protocolBits,
  protocolName,
  type Share,
  shareNumber,
} from "./names.ts";
import { Transaction } from "./transaction.ts";

/** A command with all that is mostly so left out. */
export interface Command {
  /** 0 unless told. */
  readonly cla?: number;
  readonly ins: number;
  /** 0 unless told. */
  readonly p1?: number;
  /** 0 unless told. */
  readonly p2?: number;
  /** At most 65,535 bytes. */
  readonly data?: Uint8Array;
  /** How many bytes of answer are wanted at most, 1 to 65,536; absent for none. */
  readonly le?: number;
}

/** Who else may use the card meanwhile, and what is spoken with it. */
export interface Sharing {
  /** `shared` unless told. */
  readonly share?: Share;
  /** T=0 and T=1 unless told; none in direct mode. */
  readonly protocols?: readonly ProtocolName[];
}

/** Of a call to the card or the reader. */
export interface CallOptions {
  /**
   * Ends the waiting with the signal's reason. PC/SC cannot stop a card: it goes on with a command that was sent, and
   * the next call on this handle waits for that.
   */
  readonly signal?: AbortSignal;
}

const OK = 0x9000;

/** What {@link Sharing} means in PC/SC's numbers. */
export function sharingNumbers({ share = "shared", protocols }: Sharing): {
  readonly share: number;
  readonly protocols: number;
} {
  const usual: readonly ProtocolName[] = share === "direct" ? [] : ["T=0", "T=1"];
  return { share: shareNumber(share), protocols: protocolBits(protocols ?? usual) };
}

/**
 * A connected card: one SCARDHANDLE. Its calls throw {@link ReturnCodeError} as PC/SC's functions do;
 * `SCARD_W_RESET_CARD` and `SCARD_W_REMOVED_CARD` until {@link reconnect}, `SCARD_E_INVALID_HANDLE` once it is closed.
 * One call at a time.
 */
export class Card implements AsyncDisposable {
  /** The reader's name. */
  readonly reader: string;
  readonly #session: CardSession;
  readonly #onEnd: () => void;
  #protocol: number;
  #isOpen = true;

  /** Made by `Client.connect`. */
  constructor(
    reader: string,
    session: CardSession,
    about: { readonly activeProtocol: number; readonly onEnd: () => void },
  ) {
    this.reader = reader;
    this.#session = session;
    this.#protocol = about.activeProtocol;
    this.#onEnd = about.onEnd;
  }

  /** What was negotiated with the card; undefined in direct mode where nobody negotiated yet. */
  get protocol(): ProtocolName | undefined {
    return protocolName(this.#protocol);
  }

  /**
   * Sends one command APDU as it is, and resolves with the answer as it is: SCardTransmit.
   *
   * @param apdu at most 65,548 bytes.
   * @returns at least 2 bytes, SW1 SW2 last.
   */
  async transmit(apdu: Uint8Array, { signal }: CallOptions = {}): Promise<Uint8Array> {
    if (!(apdu instanceof Uint8Array)) throw new TypeError("an APDU is a Uint8Array or a Buffer");
    const session = this.#open("SCardTransmit");
    const pci = { send: this.#protocol, receive: this.#protocol };
    const { data } = await untilAborted(() => session.transmit(apdu, pci), signal);
    return data;
  }

  /**
   * Sends a command and puts its whole answer together: what waits behind `61xx` is fetched, and a short command with a
   * wrong Le (`6Cxx`) is sent again with the right one.
   *
   * @returns data and status word, whatever that is.
   * @throws {RangeError} when the command cannot be written.
   * @throws {ReturnCodeError} `SCARD_F_COMM_ERROR` for an answer without a status word, or without an end.
   */
  async command(command: Command, options: CallOptions = {}): Promise<ResponseApdu> {
    const { cla = 0, ins, p1 = 0, p2 = 0, data = new Uint8Array(0), le } = command;
    const whole = { cla, ins, p1, p2, data, ...(le !== undefined && { le }) };
    return await wholeAnswer(whole, (apdu) => this.transmit(apdu, options));
  }

  /** The same, where nothing but `9000` will do. @throws {StatusWordError} otherwise. */
  async must(command: Command, options: CallOptions = {}): Promise<Uint8Array> {
    const { data, sw } = await this.command(command, options);
    if (sw !== OK) throw new StatusWordError(sw, data);
    return data;
  }

  /**
   * Keeps everybody else off the card until the transaction is disposed: SCardBeginTransaction. Waits its turn. Nests.
   *
   * @param options.signal gives up waiting, with its reason.
   * @example await using transaction = await card.transaction();
   */
  async transaction(options: { readonly signal?: AbortSignal } = {}): Promise<Transaction> {
    const { signal = new AbortController().signal } = options;
    for (;;) {
      signal.throwIfAborted();
      const session = this.#open("SCardBeginTransaction");
      try {
        await session.begin({ signal });
        return new Transaction(session);
      } catch (error) {
        const isTaken = error instanceof ReturnCodeError && error.rv === Rv.SharingViolation;
        if (!isTaken) throw error;
      }
    }
  }

  /** Resolves while the handle is good: SCardStatus. */
  async status(): Promise<void> {
    await this.#open("SCardStatus").status();
  }

  /** Talks to the reader: SCardControl. @returns its answer. */
  async control(
    code: number,
    data: Uint8Array = new Uint8Array(0),
    { signal }: CallOptions = {},
  ): Promise<Uint8Array> {
    const session = this.#open("SCardControl");
    return await untilAborted(() => session.control(code, data), signal);
  }

  /** SCardGetAttrib. @returns at most 264 bytes. */
  async attribute(id: number): Promise<Uint8Array> {
    return await this.#open("SCardGetAttrib").getAttribute(id);
  }

  /** SCardSetAttrib. @param value at most 264 bytes. */
  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    await this.#open("SCardSetAttrib").setAttribute(id, value);
  }

  /** Renews the handle after a reset or removal, or shares the card otherwise: SCardReconnect. */
  async reconnect(
    how: Sharing & { readonly first?: Exclude<CardEnd, "eject"> } = {},
  ): Promise<void> {
    const first = endNumber(how.first ?? "leave");
    const session = this.#open("SCardReconnect");
    this.#protocol = await session.reconnect(sharingNumbers(how), first);
  }

  /** Closes the handle: SCardDisconnect. Again, or after disposal, it does nothing. */
  async disconnect(end: CardEnd = "leave"): Promise<void> {
    if (!this.#isOpen) return;
    await this.#session.disconnect(endNumber(end));
    this.#isOpen = false;
    this.#onEnd();
  }

  /** Leaves the card as a program that ends does: one that it held in a transaction is reset. Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#session.abandon();
    this.#onEnd();
  }

  /** @throws {ReturnCodeError} once the handle is closed: whoever serves it need not notice by itself. */
  #open(call: string): CardSession {
    if (!this.#isOpen) throw new ReturnCodeError(call, Rv.InvalidHandle);
    return this.#session;
  }
}
