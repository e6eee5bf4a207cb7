import type { ConnectOptions } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { type CallType, Type } from "../../wire/link/frames.ts";
import { type Answered, type CallBody, type Calls, LinkLost } from "./calls.ts";
import type { RemoteHost } from "./host.ts";
import { Loss, outlivesLink } from "./loss.ts";
import { type Opened, open } from "./open.ts";

/** One handle at the other end of a link. When the link is lost it lives on and says so, as a lost pcscd's would. */
export class RemoteHandle {
  readonly #host: RemoteHost;
  readonly #reader: string;
  #calls: Calls;
  #card: number;
  #loss: Loss | undefined;
  /** Why it was not connected after all. */
  #refused: number | undefined;
  /** Aborts when nobody asks it any more: its program closed it, or died in the middle of a call. */
  readonly #life = new AbortController();

  constructor(host: RemoteHost, reader: string, { calls, card }: Opened) {
    this.#host = host;
    this.#reader = reader;
    this.#calls = calls;
    this.#card = card;
  }

  get card(): number {
    return this.#card;
  }

  /** Of the session of the link that it belongs to. */
  get calls(): Calls {
    return this.#calls;
  }

  get isRefused(): boolean {
    return this.#refused !== undefined;
  }

  /** Nothing is asked of it any more. */
  get isEnded(): boolean {
    return this.#life.signal.aborted;
  }

  end(): void {
    this.#life.abort(new ReturnCodeError("SCardReleaseContext", Rv.Cancelled));
    this.#host.ended(this.#card);
  }

  /**
   * The connect that was foreseen to succeed did not. Where somebody has the card for himself the other end tries again
   * before each call; where not, only a reconnect does.
   */
  refuse(rv: number): void {
    this.#refused = rv;
    this.#host.ended(this.#card);
  }

  /** It was connected after all. */
  accept(): void {
    this.#refused = undefined;
  }

  /** The link was lost. */
  lost(): void {
    this.#loss = new Loss(this.#host.table.find(this.#reader));
  }

  /** @throws {ReturnCodeError} what the other end says, or what a handle says whose link was lost. */
  async call<T extends CallType>(
    name: string,
    type: T,
    body: CallBody<T>,
    options: { readonly flags?: number; readonly tail?: Uint8Array } = {},
  ): Promise<Answered> {
    if (this.isEnded) throw new ReturnCodeError(name, Rv.Cancelled);
    if (this.#calls.isLost) throw new ReturnCodeError(name, await this.#lostNotice());
    const refused = this.#refused;
    const isTried = refused === Rv.SharingViolation || type === Type.Reconnect;
    if (refused !== undefined && !isTried) throw new ReturnCodeError(name, refused);
    try {
      return await this.#calls.call(name, type, body, options);
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error;
      const rv = outlivesLink(type) ? Rv.NotTransacted : await this.#lostNotice();
      throw new ReturnCodeError(name, rv, { cause: error });
    }
  }

  /** After a loss: connects anew. @throws {ReturnCodeError} why it cannot; its program may also have died meanwhile. */
  async reopen(how: Pick<ConnectOptions, "share" | "protocols">): Promise<Opened> {
    const { signal } = this.#life;
    const isBack = await this.#host.confirm({ signal });
    signal.throwIfAborted();
    const { calls, table } = this.#host;
    if (!isBack || !calls || !table.find(this.#reader))
      throw new ReturnCodeError("SCardReconnect", Rv.ReaderUnavailable);
    const opened = await open(this.#host, calls, { reader: this.#reader, ...how }, signal);
    if (signal.aborted) {
      this.#host.ended(opened.card); // its program died since the answer came
      calls.tell(Type.Abandon, { card: opened.card });
    }
    signal.throwIfAborted();
    this.#card = opened.card;
    this.#calls = opened.calls;
    this.#loss = undefined;
    this.#refused = undefined;
    return opened;
  }

  async #lostNotice(): Promise<number> {
    const told = this.#loss?.told;
    if (told !== undefined) return told;
    const { signal } = this.#life;
    if (!(await this.#host.confirm({ signal }))) return Rv.ReaderUnavailable;
    this.#loss ??= new Loss(undefined); // it never was connected
    return this.#loss.tell(this.#host.table.find(this.#reader));
  }
}
