import type { CardSession, ConnectOptions } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, Protocol, ReaderStateBit, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { attribute } from "./attributes.ts";
import { namesProtocol, negotiate } from "../negotiate.ts";
import type { Handle, Slot } from "./slot.ts";

/** How long SCardBeginTransaction waits for its turn before the program is told to ask again, ms; as pcscd. */
const TURN_MS = 100;

/**
 * One handle on a software reader. Each call checks in pcscd's order (protocol reference, section 5.5), so that the
 * same mistake gets the same code.
 */
export class SoftwareSession implements CardSession, Handle {
  notice = 0;
  readonly #slot: Slot;

  constructor(slot: Slot) {
    this.#slot = slot;
  }

  /** SCardConnect. Waits as long as another handle has the card in a transaction. @returns the active protocol. */
  async connect(
    { share, protocols }: Omit<ConnectOptions, "principal">,
    signal: AbortSignal,
  ): Promise<number> {
    const slot = this.#slot;
    const refuse = (rv: number) => new ReturnCodeError("SCardConnect", rv);
    do {
      if (slot.isExclusive) throw refuse(Rv.SharingViolation);
      if (!(await slot.lock.whenFree(undefined, signal))) signal.throwIfAborted();
      if (slot.isGone) throw refuse(Rv.ReaderUnavailable);
      if (share !== ShareMode.Direct) {
        if (!slot.hasCard) throw refuse(Rv.NoSmartcard);
        await slot.powerUp();
        signal.throwIfAborted();
        if (!slot.isAwake) throw refuse(Rv.UnpoweredCard);
        slot.use(); // also where it is refused for what it wants of the card
      }
      // Powering up took time, and somebody may have been faster.
    } while (slot.lock.isHeld());
    this.#negotiate("SCardConnect", share, protocols);
    const { protocol: activeProtocol } = slot;
    if (share === ShareMode.Exclusive && !slot.mayBeExclusive(this))
      throw new ReturnCodeError("SCardConnect", Rv.SharingViolation, { activeProtocol });
    if (slot.isFull) throw refuse(Rv.InternalError);
    slot.add(this, share);
    return activeProtocol;
  }

  async begin({ signal }: { signal: AbortSignal }): Promise<void> {
    const call = "SCardBeginTransaction";
    this.#checkReader(call);
    this.#checkNotice(call);
    const { lock } = this.#slot;
    if (!(await lock.takeInTurn(this, TURN_MS, signal)))
      throw new ReturnCodeError(call, Rv.SharingViolation);
    if (this.notice === 0) return;
    lock.give(this); // what set it free was a removal or a reset
    this.#checkNotice(call);
  }

  async end(disposition: number): Promise<void> {
    const call = "SCardEndTransaction";
    checkDisposition(call, disposition);
    this.#checkReader(call);
    this.#checkNotice(call);
    if (disposition !== Disposition.Leave) this.#checkLock(call);
    await this.#dispose(disposition, "SCardEndTransaction");
    this.#checkLock(call);
    // In exclusive mode the connect itself counts one, which is not given back.
    const wasHeld = this.#slot.lock.give(this, this.#slot.isExclusive ? 1 : 0);
    // Where there is no card to reset, that is said before all else (seen with 1.9.9).
    const wantsReset = disposition === Disposition.Reset || disposition === Disposition.Unpower;
    if (wantsReset && !this.#slot.hasCard) throw new ReturnCodeError(call, Rv.RemovedCard);
    // The reader cannot do that, but the transaction ends all the same.
    if (disposition === Disposition.Eject) throw new ReturnCodeError(call, Rv.UnsupportedFeature);
    if (!wasHeld) throw new ReturnCodeError(call, Rv.NotTransacted);
  }

  async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): Promise<{ data: Uint8Array; receiveProtocol: number }> {
    const call = "SCardTransmit";
    const slot = this.#slot;
    this.#checkReader(call);
    this.#checkLock(call);
    this.#checkNotice(call);
    const isRaw = pci.send === Protocol.Raw;
    // Raw ones go to the reader's driver, and vpcd says of them that they failed.
    if (!slot.hasCard) throw new ReturnCodeError(call, isRaw ? Rv.NotTransacted : Rv.NoSmartcard);
    if (!isRaw && pci.send !== Protocol.Any && pci.send !== slot.protocol)
      throw new ReturnCodeError(call, Rv.ProtoMismatch);
    const data = await slot.transmit(apdu);
    return { data, receiveProtocol: pci.receive };
  }

  async control(_code: number, _data: Uint8Array): Promise<Uint8Array> {
    this.#checkReader("SCardControl");
    this.#checkLock("SCardControl");
    throw new ReturnCodeError("SCardControl", Rv.UnsupportedFeature);
  }

  async status(): Promise<void> {
    this.#checkReader("SCardStatus");
    this.#checkLock("SCardStatus");
    this.#checkNotice("SCardStatus");
  }

  async getAttribute(id: number): Promise<Uint8Array> {
    const call = "SCardGetAttrib";
    this.#checkReader(call);
    this.#checkLock(call);
    this.#checkNotice(call);
    const value = attribute(id, this.#slot.reader);
    if (!value) throw new ReturnCodeError(call, Rv.UnsupportedFeature);
    return value;
  }

  async setAttribute(_id: number, _value: Uint8Array): Promise<void> {
    const call = "SCardSetAttrib";
    this.#checkReader(call);
    this.#checkLock(call);
    this.#checkNotice(call);
    throw new ReturnCodeError(call, Rv.NotTransacted); // as pcscd says of a driver that refuses
  }

  async reconnect(
    { share, protocols }: Omit<ConnectOptions, "principal">,
    initialization: number,
  ): Promise<number> {
    const call = "SCardReconnect";
    const slot = this.#slot;
    if (initialization > Disposition.Unpower) throw new ReturnCodeError(call, Rv.InvalidValue);
    checkMode(call, share);
    checkProtocols(call, share, protocols);
    this.#checkReader(call);
    this.#checkLock(call);
    if (initialization !== Disposition.Leave) {
      await slot.reset(initialization === Disposition.Reset ? "warm" : "cold");
      slot.tellAll(Rv.ResetCard);
    }
    // Of a direct one, too, which connects without a card.
    if (!slot.hasCard) throw new ReturnCodeError(call, Rv.NoSmartcard);
    if (slot.isMute) throw new ReturnCodeError(call, Rv.UnresponsiveCard);
    this.#negotiate(call, share, protocols);
    // Only what is negotiated with the card counts as its use; nothing is where raw commands are wanted.
    if (share !== ShareMode.Direct && (protocols & Protocol.Raw) === 0) slot.use();
    if (share === ShareMode.Exclusive && !slot.isExclusive) {
      if (!slot.mayBeExclusive(this)) throw new ReturnCodeError(call, Rv.SharingViolation);
      slot.makeExclusive(this);
    } else if (share !== ShareMode.Exclusive && slot.isExclusive) slot.makeShared(this);
    this.notice = 0;
    return slot.protocol;
  }

  async disconnect(disposition: number): Promise<void> {
    checkDisposition("SCardDisconnect", disposition);
    const { lock } = this.#slot;
    if (disposition !== Disposition.Leave) await lock.whenFree(this);
    await this.#dispose(disposition, "SCardDisconnect");
    this.#slot.delete(this);
  }

  async abandon(): Promise<void> {
    const slot = this.#slot;
    if (!slot.has(this)) return;
    const wasHolding = slot.lock.isHeldBy(this);
    // Whoever died holding the card leaves it reset, unless somebody else reset or took it first (section 5.7).
    if (wasHolding && this.notice === 0) await this.#dispose(Disposition.Reset, "SCardDisconnect");
    slot.delete(this);
  }

  /** What becomes of the card at the end of a transaction or handle; all handles are told, this one included. */
  async #dispose(disposition: number, at: "SCardEndTransaction" | "SCardDisconnect") {
    const slot = this.#slot;
    if (disposition === Disposition.Reset) await slot.reset("warm");
    else if (disposition === Disposition.Unpower && at === "SCardDisconnect") await slot.unpower();
    else if (disposition === Disposition.Unpower) await slot.reset("cold");
    else return;
    slot.tellAll(Rv.ResetCard);
  }

  #negotiate(call: string, share: number, protocols: number): void {
    const slot = this.#slot;
    if ((protocols & Protocol.Raw) !== 0) slot.protocol = Protocol.Raw;
    else if (share !== ShareMode.Direct) {
      const protocol = negotiate(protocols, slot.protocol, slot.atr);
      if (protocol === undefined) throw new ReturnCodeError(call, Rv.ProtoMismatch);
      slot.protocol = protocol;
    }
  }

  #checkReader(call: string): void {
    if (this.#slot.isGone) throw new ReturnCodeError(call, Rv.InvalidValue);
    const { stateBits } = this.#slot.reader;
    if ((stateBits & ReaderStateBit.Unknown) !== 0)
      throw new ReturnCodeError(call, Rv.ReaderUnavailable);
  }

  #checkLock(call: string): void {
    if (this.#slot.lock.isDenied(this)) throw new ReturnCodeError(call, Rv.SharingViolation);
  }

  #checkNotice(call: string): void {
    if (this.notice !== 0) throw new ReturnCodeError(call, this.notice);
  }
}

/** @throws {ReturnCodeError} what pcscd says of protocols that there are not, before all else but a reconnect's mode. */
export function checkProtocols(call: string, share: number, protocols: number): void {
  if (share !== ShareMode.Direct && !namesProtocol(protocols))
    throw new ReturnCodeError(call, Rv.ProtoMismatch);
}

/** @throws {ReturnCodeError} what pcscd says of a mode that there is not. */
export function checkMode(call: string, share: number): void {
  if (share < ShareMode.Exclusive || share > ShareMode.Direct)
    throw new ReturnCodeError(call, Rv.InvalidValue);
}

function checkDisposition(call: string, disposition: number): void {
  if (disposition > Disposition.Eject) throw new ReturnCodeError(call, Rv.InvalidValue);
}
