import type { CardSession, ConnectOptions, Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, Protocol, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { Body } from "../../wire/pcsclite/calls.ts";
import {
  Command,
  FEATURE_REQUEST,
  MAX_ATTRIBUTE,
  MAX_PAYLOAD,
} from "../../wire/pcsclite/constants.ts";
import type { Reply } from "../../wire/pcsclite/replies.ts";
import type { Daemon } from "./daemon.ts";
import type { CardCommand, Handle } from "./handle.ts";

/** The length of a caller's SCARD_IO_REQUEST; only its value differs between word sizes, and no driver reads it. */
const PCI_LENGTH = 16;

/** PC/SC's calls on one handle, and what they mean for the state that applications see. */
export class PcscdSession implements CardSession {
  readonly #daemon: Daemon;
  readonly #handle: Handle;
  /** Begun transactions that certainly are still open: their end carries no news. */
  #depth = 0;
  #beganAt: number | undefined;
  #isExclusive = false;
  /** The event counter when exclusive access locked the card: a removal opens that lock, and nothing closes it again. */
  #lockedAt: number | undefined;

  /** @param share the mode in which `handle` was opened. */
  constructor(daemon: Daemon, handle: Handle, share: number) {
    this.#daemon = daemon;
    this.#handle = handle;
    this.#shareAs(share);
    handle.holds = () => this.#depth > 0 || this.#isExclusive;
  }

  async begin(): Promise<void> {
    try {
      await this.#handle.request(Command.BeginTransaction, { card: this.#handle.card, rv: 0 });
    } catch (error) {
      if (!isCode(error, Rv.SharingViolation)) this.#depth = 0;
      throw error;
    }
    this.#depth += 1;
    this.#beganAt = this.#reader?.eventCounter;
  }

  async end(disposition: number): Promise<void> {
    const body = { card: this.#handle.card, disposition, rv: 0 };
    if (disposition === Disposition.Leave && this.#endIsNoNews()) {
      this.#depth -= 1;
      await this.#handle.send(Command.EndTransaction, body);
      return;
    }
    // After a reset the ends of what is still nested are refused.
    this.#depth = disposition === Disposition.Leave ? Math.max(0, this.#depth - 1) : 0;
    try {
      await this.#handle.request(Command.EndTransaction, body);
    } catch (error) {
      // The reset takes place even where no transaction was open, but where another handle has one, or this one has a
      // notice, nothing does (protocol reference, sections 5.4 and 5.5).
      if (isCode(error, Rv.NotTransacted)) this.#tellReset(disposition, { unpowered: false });
      throw error;
    }
    // Unlike a disconnect, an end that takes the power leaves the state as it was (seen with 1.9.9).
    this.#tellReset(disposition, { unpowered: false });
  }

  async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): Promise<{ data: Uint8Array; receiveProtocol: number }> {
    const { body, payload } = await this.#request(
      Command.Transmit,
      {
        card: this.#handle.card,
        sendProtocol: pci.send,
        sendPciLength: PCI_LENGTH,
        sendLength: apdu.length,
        receiveProtocol: pci.receive,
        receivePciLength: PCI_LENGTH,
        receiveLength: MAX_PAYLOAD,
        rv: 0,
      },
      apdu,
    );
    return { data: payload, receiveProtocol: body.receiveProtocol };
  }

  async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    const reader = this.#reader;
    const isFeatureQuery = code === FEATURE_REQUEST && data.length === 0;
    const mayRemember = this.#daemon.options.rememberFeatures && this.#handle.isOpen;
    if (!isFeatureQuery || !reader || !mayRemember) return await this.#control(code, data);
    const known = this.#daemon.features.recall(reader);
    if (!known) return await this.#askFeatures(reader);
    if ("data" in known) return known.data;
    throw new ReturnCodeError("SCardControl", known.rv);
  }

  async status(): Promise<void> {
    await this.#request(Command.Status, { card: this.#handle.card, rv: 0 });
  }

  async getAttribute(id: number): Promise<Uint8Array> {
    const { body } = await this.#request(Command.GetAttrib, {
      card: this.#handle.card,
      id,
      value: new Uint8Array(MAX_ATTRIBUTE),
      length: MAX_ATTRIBUTE,
      rv: 0,
    });
    return body.value.subarray(0, Math.min(body.length, MAX_ATTRIBUTE));
  }

  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    const { card } = this.#handle;
    await this.#request(Command.SetAttrib, { card, id, value, length: value.length, rv: 0 });
  }

  async reconnect(
    how: Pick<ConnectOptions, "share" | "protocols">,
    initialization: number,
  ): Promise<number> {
    this.#depth = 0; // whether a transaction survives is pcscd's to say: the next end is awaited
    if (this.#handle.isOpen) {
      try {
        return await this.#reconnect(how, initialization);
      } catch (error) {
        if (this.#handle.isOpen) throw error; // else the connection broke meanwhile
      }
    }
    const activeProtocol = await this.#handle.reopen(how);
    this.#isExclusive = false;
    this.#shareAs(how.share);
    if (initialization === Disposition.Leave) return activeProtocol;
    return await this.#reconnect(how, initialization);
  }

  async disconnect(disposition: number): Promise<void> {
    const { card } = this.#handle;
    const isNoNews = disposition === Disposition.Leave && this.#reader !== undefined;
    if (isNoNews && this.#daemon.options.pipelining) {
      await this.#handle.send(Command.Disconnect, { card, disposition, rv: 0 });
      this.#handle.giveBack();
      return;
    }
    const leave = await this.#daemon.blocked.enter(this.#handle.reader, this.#handle.signal);
    try {
      if (this.#handle.isOpen)
        await this.#handle.request(Command.Disconnect, { card, disposition, rv: 0 });
    } catch (error) {
      if (this.#handle.isOpen) throw error; // else the connection broke, which closes the handle as well
    } finally {
      leave();
    }
    if (this.#handle.signal.aborted) return; // dropped, or cut short, by the end of the application
    this.#tellReset(disposition, { unpowered: disposition === Disposition.Unpower });
    this.#handle.giveBack();
  }

  async abandon(): Promise<void> {
    const held = this.#handle.isOpen && this.#handle.holds();
    const done = this.#handle.abandon();
    if (held) this.#daemon.table.wasReset(this.#handle.reader, { unpowered: false });
    await done;
  }

  /** As the handle's, but after a notice no transaction is open for certain: the card that it was told of took it along. */
  async #request<C extends CardCommand>(
    command: C,
    body: Body<C>,
    payload?: Uint8Array,
  ): Promise<Reply<Body<C>>> {
    try {
      return await this.#handle.request(command, body, payload);
    } catch (error) {
      if (isCode(error, Rv.RemovedCard) || isCode(error, Rv.ResetCard)) this.#depth = 0;
      throw error;
    }
  }

  get #reader(): Reader | undefined {
    return this.#daemon.table.find(this.#handle.reader);
  }

  async #control(code: number, data: Uint8Array): Promise<Uint8Array> {
    const { payload } = await this.#request(
      Command.Control,
      {
        card: this.#handle.card,
        code,
        sendLength: data.length,
        receiveLength: MAX_PAYLOAD,
        returned: 0,
        rv: 0,
      },
      data,
    );
    return payload;
  }

  async #askFeatures(reader: Reader): Promise<Uint8Array> {
    try {
      const data = await this.#control(FEATURE_REQUEST, NOTHING);
      this.#daemon.features.remember(reader, { data: data.slice() });
      return data;
    } catch (error) {
      if (error instanceof ReturnCodeError && this.#handle.isOpen)
        this.#daemon.features.remember(reader, { rv: error.rv });
      throw error;
    }
  }

  async #reconnect(
    how: Pick<ConnectOptions, "share" | "protocols">,
    initialization: number,
  ): Promise<number> {
    const { share, protocols } = how;
    const { card, reader } = this.#handle;
    const asked = { card, share, protocols, initialization, activeProtocol: 0, rv: 0 };
    const powersUp = initialization !== Disposition.Leave;
    try {
      const { activeProtocol } = (await this.#handle.request(Command.Reconnect, asked)).body;
      this.#shareAs(share);
      this.#daemon.table.reshared(reader, share);
      this.#daemon.table.negotiated(reader, activeProtocol, { powersUp });
      if (powersUp) this.#daemon.refresh();
      return activeProtocol;
    } catch (error) {
      // The protocol comes before the sharing: one whom others are in the way of has changed it.
      if (isCode(error, Rv.SharingViolation) && share === ShareMode.Exclusive)
        this.#tellNegotiated(error.told.activeProtocol, powersUp);
      throw error;
    }
  }

  /** What a refused reconnect negotiated all the same, and perhaps reset. Up to 1.9.1 the number may be anything. */
  #tellNegotiated(protocol: number | undefined, powersUp: boolean): void {
    const isKnown =
      protocol === Protocol.T0 || protocol === Protocol.T1 || protocol === Protocol.Raw;
    if (!isKnown || (protocol === this.#reader?.protocol && !powersUp)) return;
    this.#daemon.table.negotiated(this.#handle.reader, protocol, { powersUp });
    this.#daemon.refresh();
  }

  #shareAs(share: number): void {
    const isExclusive = share === ShareMode.Exclusive;
    if (isExclusive && !this.#isExclusive) this.#lockedAt = this.#reader?.eventCounter;
    this.#isExclusive = isExclusive;
  }

  /** An end is refused only where no transaction is open, or a card that went away took it along. */
  #endIsNoNews(): boolean {
    const isStillThere = this.#reader !== undefined && this.#reader.eventCounter === this.#beganAt;
    // Exclusive access counts one, without which the last end is refused.
    const isCounted = !this.#isExclusive || this.#beganAt === this.#lockedAt;
    const { pipelining } = this.#daemon.options;
    return pipelining && this.#depth > 0 && this.#handle.isOpen && isStillThere && isCounted;
  }

  #tellReset(disposition: number, how: { readonly unpowered: boolean }): void {
    if (disposition === Disposition.Leave) return;
    // An eject that the reader is capable of takes the card away; one that it is not changes nothing (seen with 1.9.9).
    if (disposition === Disposition.Reset || disposition === Disposition.Unpower)
      this.#daemon.table.wasReset(this.#handle.reader, how);
    this.#daemon.refresh();
  }
}

const isCode = (error: unknown, rv: number): error is ReturnCodeError =>
  error instanceof ReturnCodeError && error.rv === rv;

const NOTHING = new Uint8Array(0);
