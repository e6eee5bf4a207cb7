import type { CardSession, ConnectOptions } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { type CallType, Flag, Type } from "../../wire/link/frames.ts";
import { FEATURE_REQUEST } from "../../wire/pcsclite/constants.ts";
import type { Answered, CallBody } from "./calls.ts";
import { type Answer, Fetched } from "./fetched.ts";
import { RemoteHandle } from "./handle.ts";
import type { RemoteHost } from "./host.ts";
import { Levels } from "./levels.ts";
import { isNotice } from "./loss.ts";
import type { Opened } from "./open.ts";
import { Standing } from "./standing.ts";

/** PC/SC's calls on one handle at the other end of a link. What need not be asked or awaited is not. */
export class RemoteSession implements CardSession {
  readonly #host: RemoteHost;
  readonly reader: string;
  readonly #handle: RemoteHandle;
  readonly #levels = new Levels();
  readonly #standing: Standing;
  readonly #fetched = new Fetched();

  constructor(host: RemoteHost, reader: string, opened: Opened) {
    this.#host = host;
    this.reader = reader;
    this.#standing = new Standing(host, reader, this);
    this.#handle = new RemoteHandle(host, reader, opened);
    this.#hold(opened);
  }

  async begin({ signal }: { signal: AbortSignal }): Promise<void> {
    const { holders } = this.#host;
    if (this.#standing.mayGoAhead(this.#handle.calls)) {
      this.#standing.unawaited += 1;
      this.#handle.calls.tell(Type.Begin, { card: this.#handle.card });
    } else {
      const stop = () => this.#handle.calls.cancel(this.#handle.card);
      signal.addEventListener("abort", stop, { once: true });
      try {
        await holders.whileWaiting(this.reader, () =>
          this.#call("SCardBeginTransaction", Type.Begin, { card: this.#handle.card }),
        );
      } finally {
        signal.removeEventListener("abort", stop);
      }
    }
    this.#levels.begin(this.#seen);
    this.#tellHolding();
  }

  async end(disposition: number): Promise<void> {
    this.#fetched.forget();
    const body = { card: this.#handle.card, disposition };
    if (disposition === Disposition.Leave && this.#endIsNoNews()) {
      this.#levels.end();
      this.#standing.unawaited += 1;
      this.#handle.calls.tell(Type.End, body);
      this.#tellHolding();
      return;
    }
    const call = () => this.#call("SCardEndTransaction", Type.End, body);
    try {
      await (disposition === Disposition.Leave
        ? call()
        : this.#host.holders.whileChanging(this.reader, call));
      this.#levels.end();
    } catch (error) {
      if (error instanceof ReturnCodeError && error.rv === Rv.NotTransacted) this.#levels.clear();
      throw error;
    } finally {
      if (disposition !== Disposition.Leave) this.#levels.doubt();
      this.#tellHolding();
    }
  }

  async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): Promise<Answer> {
    const isAhead = this.#host.options.prefetch;
    const now = { protocol: pci.send, mark: this.#host.holders.mark(this.reader) };
    const known = isAhead ? this.#fetched.take(apdu, now) : undefined;
    if (known) return known;
    const { protocol, data, ahead } = await this.#call(
      "SCardTransmit",
      Type.Transmit,
      { card: this.#handle.card, sendProtocol: pci.send, receiveProtocol: pci.receive },
      { flags: isAhead && this.#levels.isBegun ? this.#fetched.flags(apdu) : 0, tail: apdu },
    );
    const answer = { data, receiveProtocol: protocol };
    if (isAhead) this.#fetched.see(answer, now, ahead);
    return answer;
  }

  async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    const body = { card: this.#handle.card, code };
    const ask = async () =>
      (await this.#call("SCardControl", Type.Control, body, { tail: data })).data;
    const isFeatureQuery = code === FEATURE_REQUEST && data.length === 0;
    const reader = isFeatureQuery ? this.#standing.undenied(this.#handle.calls) : undefined;
    return reader ? await this.#host.told.features(reader, ask) : await ask();
  }

  async status(): Promise<void> {
    if (this.#standing.answering(this.#handle.calls)) return;
    const mark = this.#host.holders.mark(this.reader);
    await this.#call("SCardStatus", Type.Status, { card: this.#handle.card });
    this.#standing.goodAt = mark;
  }

  async getAttribute(id: number): Promise<Uint8Array> {
    const body = { card: this.#handle.card, code: id };
    const ask = async () => (await this.#call("SCardGetAttrib", Type.GetAttribute, body)).data;
    const reader = this.#standing.answering(this.#handle.calls);
    return reader ? await this.#host.told.attribute(reader, id, ask) : await ask();
  }

  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    const body = { card: this.#handle.card, code: id };
    await this.#call("SCardSetAttrib", Type.SetAttribute, body, { tail: value });
  }

  async reconnect(
    how: Pick<ConnectOptions, "share" | "protocols">,
    initialization: number,
  ): Promise<number> {
    const { holders } = this.#host;
    this.#levels.doubt(); // whether a transaction survives is not ours to say: the next end is awaited
    this.#fetched.forget();
    const ask = async (): Promise<number> => {
      const body = { card: this.#handle.card, ...how, initialization };
      const { protocol } = await this.#call("SCardReconnect", Type.Reconnect, body);
      this.#levels.share(how.share, this.#seen);
      return protocol;
    };
    try {
      if (!this.#handle.calls.isLost) {
        try {
          return await holders.whileChanging(this.reader, ask);
        } catch (error) {
          if (!this.#handle.calls.isLost) throw error; // else the link was lost meanwhile
        }
      }
      const opened = await this.#handle.reopen(how);
      if (this.#handle.isEnded) throw new ReturnCodeError("SCardReconnect", Rv.Cancelled);
      this.#hold(opened);
      if (initialization === Disposition.Leave) return opened.activeProtocol;
      return await holders.whileChanging(this.reader, ask);
    } finally {
      this.#tellHolding();
    }
  }

  async disconnect(disposition: number): Promise<void> {
    const { table, holders, options } = this.#host;
    const body = { card: this.#handle.card, disposition };
    const { calls } = this.#handle;
    const call = () => this.#call("SCardDisconnect", Type.Disconnect, body);
    if (calls.isLost) return this.#finish(); // the loss closed the handle
    if (this.#handle.isRefused) {
      calls.tell(Type.Disconnect, body); // there is no handle, but the number is taken
      return this.#finish();
    }
    if (disposition !== Disposition.Leave || !options.pipelining) {
      try {
        if (disposition === Disposition.Leave) await call();
        else await holders.whileChanging(this.reader, call);
      } catch (error) {
        if (!calls.isLost) throw error;
      }
    } else {
      const done = calls.call("SCardDisconnect", Type.Disconnect, body, { flags: Flag.Early });
      table.expect({ reader: this.reader, handles: -1 }, done);
    }
    this.#finish();
  }

  async abandon(): Promise<void> {
    if (this.#handle.isEnded) return;
    const { table, holders, options } = this.#host;
    const { calls, card, isRefused } = this.#handle;
    const held = this.#levels.holds;
    this.#finish();
    if (calls.isLost) return;
    const body = { card };
    const over = calls
      .call("SCardReleaseContext", Type.Abandon, body, { flags: Flag.Early })
      .catch(() => {}); // the link was lost, and the handle with it
    if (!isRefused)
      table.expect({ reader: this.reader, handles: -1, ...(held && { protocol: 0 }) }, over);
    if (held) void holders.whileChanging(this.reader, () => over);
    if (!options.pipelining) await over;
  }

  /** The connect that was foreseen to succeed did not. Where its card was pulled meanwhile, there is a handle all the same. */
  refuse(rv: number): void {
    if (rv !== Rv.RemovedCard) this.#handle.refuse(rv);
    this.#standing.goodAt = -1;
    if (rv === Rv.SharingViolation) this.#levels.doubt();
    else this.#levels.forget();
    this.#tellHolding();
  }

  /** The link was lost. */
  lost(): void {
    this.#handle.lost();
    this.#levels.forget();
    this.#tellHolding();
  }

  #hold({ card, share, mark }: Opened): void {
    this.#standing.goodAt = mark;
    this.#levels.share(share, this.#seen);
    this.#tellHolding();
    this.#host.began(card, this);
  }

  #finish(): void {
    this.#handle.end();
    this.#levels.forget();
    this.#tellHolding();
  }

  get #seen() {
    return this.#host.table.find(this.reader);
  }

  #endIsNoNews(): boolean {
    return (
      this.#host.options.pipelining &&
      !this.#handle.calls.isLost &&
      this.#standing.mayGoOn &&
      this.#levels.endIsGranted(this.#seen)
    );
  }

  #tellHolding(): void {
    // A call may still be granted to a program that died over it.
    const holds = !this.#handle.isEnded && this.#levels.holds;
    this.#host.holders.hold(this.reader, this, holds);
  }

  /** @throws {ReturnCodeError} what the other end says, or what a handle says whose link was lost. */
  async #call<T extends CallType>(
    name: string,
    type: T,
    body: CallBody<T>,
    options: { readonly flags?: number; readonly tail?: Uint8Array } = {},
  ): Promise<Answered> {
    try {
      const answered = await this.#handle.call(name, type, body, options);
      // The end of a transaction that never began is granted without a handle.
      if (this.#handle.isRefused && type !== Type.End) {
        this.#handle.accept();
        this.#host.began(this.#handle.card, this);
      }
      return answered;
    } catch (error) {
      if (isNotice(error) && !this.#handle.calls.isLost) {
        this.#standing.goodAt = -1;
        this.#levels.noticed(error.rv);
        this.#tellHolding();
      }
      throw error;
    } finally {
      this.#standing.unawaited = 0;
    }
  }
}
