import type { Reader } from "../domain/card-service.ts";
import { deferred } from "../domain/deferred.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";

/** One handle as the rules of {@link FakeSlot} see it. */
export interface FakeHandle {
  /** What every call but SCardControl and SCardReconnect says until the latter: 0, or a reset or removal notice. */
  notice: number;
}

const EXCLUSIVE = 1;
const DIRECT = 3;
const ABSENT = 0x02;
const READY = 0x34;

/**
 * One reader of a fake service: who may use its card now, and what everybody else is told. The rules are pcscd's
 * (sharing, a nesting lock that belongs to a handle, notices), so that what is tested against a fake behaves alike
 * against the real one.
 */
export class FakeSlot {
  readonly name: string;
  readonly handles = new Set<FakeHandle>();
  readonly #onChange: () => void;
  #atr: Uint8Array | undefined;
  #stateBits: number;
  #eventCounter: number;
  #protocol: number;
  #exclusive = false;
  #holder: FakeHandle | undefined;
  #depth = 0;
  #freed = deferred();

  constructor(reader: Reader, onChange: () => void) {
    this.name = reader.name;
    this.#atr = reader.atr;
    this.#stateBits = reader.stateBits;
    this.#eventCounter = reader.eventCounter;
    this.#protocol = reader.protocol;
    this.#onChange = onChange;
  }

  get reader(): Reader {
    return {
      name: this.name,
      ...(this.#atr && { atr: this.#atr }),
      stateBits: this.#stateBits,
      sharing: this.#exclusive ? -1 : this.handles.size,
      protocol: this.#protocol,
      eventCounter: this.#eventCounter,
    };
  }

  /** Puts a card in. */
  insert(atr: Uint8Array): void {
    this.#moved(atr, READY);
  }

  /** Takes the card out: every handle is told, and whoever had the lock loses it. */
  pull(): void {
    this.#tellAll(Rv.RemovedCard);
    this.#moved(undefined, ABSENT);
    this.#free();
  }

  /** Waits while another handle has the lock, as a connect and a resetting disconnect do. */
  async untilFree(call: string, handle: FakeHandle | undefined, signal?: AbortSignal) {
    signal?.throwIfAborted();
    const aborted = deferred();
    const abort = () => aborted.resolve();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      while (this.#holder && this.#holder !== handle) {
        // An exclusive holder keeps it for good: pcscd says so instead of waiting.
        if (this.#exclusive) throw new ReturnCodeError(call, Rv.SharingViolation);
        await Promise.race([this.#freed.promise, aborted.promise]);
        signal?.throwIfAborted();
      }
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** SCardConnect's rules, once the lock is free. @returns the active protocol. */
  connect(handle: FakeHandle, { share, protocols }: { share: number; protocols: number }): number {
    const call = "SCardConnect";
    this.#checkMode(call, share, protocols);
    if (share !== DIRECT && !this.#atr) throw new ReturnCodeError(call, Rv.NoSmartcard);
    if (share !== DIRECT) this.#negotiate(call, protocols);
    if (share === EXCLUSIVE && this.handles.size > 0)
      throw new ReturnCodeError(call, Rv.SharingViolation);
    this.handles.add(handle);
    if (share === EXCLUSIVE) this.#takeExclusively(handle);
    this.#onChange();
    return this.#protocol;
  }

  /** SCardReconnect's rules: clears this handle's notice, and tells the others where the card is reset. */
  reconnect(
    handle: FakeHandle,
    how: { share: number; protocols: number; initialization: number },
  ): number {
    const call = "SCardReconnect";
    const { share, protocols, initialization } = how;
    if (initialization > 2) throw new ReturnCodeError(call, Rv.InvalidValue);
    this.#checkMode(call, share, protocols);
    this.checkFree(call, handle);
    if (initialization > 0) this.#reset();
    if (share !== DIRECT && !this.#atr) throw new ReturnCodeError(call, Rv.NoSmartcard);
    if (share !== DIRECT) this.#negotiate(call, protocols);
    if (share === EXCLUSIVE && this.handles.size > 1)
      throw new ReturnCodeError(call, Rv.SharingViolation);
    if (share === EXCLUSIVE && !this.#exclusive) this.#takeExclusively(handle);
    if (share !== EXCLUSIVE && this.#exclusive) this.#free();
    handle.notice = 0;
    this.#onChange();
    return this.#protocol;
  }

  /** @throws {ReturnCodeError} while another handle has the lock. */
  checkFree(call: string, handle: FakeHandle): void {
    if (this.#holder && this.#holder !== handle)
      throw new ReturnCodeError(call, Rv.SharingViolation);
  }

  /** @throws {ReturnCodeError} what is pending on this handle. */
  checkNotice(call: string, handle: FakeHandle): void {
    if (handle.notice !== 0) throw new ReturnCodeError(call, handle.notice);
  }

  /** @throws {ReturnCodeError} while there is no card. */
  checkCard(call: string): void {
    if (!this.#atr) throw new ReturnCodeError(call, Rv.NoSmartcard);
  }

  lock(handle: FakeHandle): void {
    this.#holder = handle;
    this.#depth += 1;
  }

  unlock(handle: FakeHandle, disposition: number): void {
    if (resets(disposition)) this.#reset();
    if (this.#holder !== handle || this.#depth <= (this.#exclusive ? 1 : 0))
      throw new ReturnCodeError("SCardEndTransaction", Rv.NotTransacted);
    this.#depth -= 1;
    if (this.#depth === 0) this.#free();
  }

  close(handle: FakeHandle, disposition: number): void {
    if (resets(disposition)) this.#reset();
    this.handles.delete(handle);
    if (this.#holder === handle) this.#free();
    this.#onChange();
  }

  /** The program behind the handle is gone: a card that it held is reset. */
  abandon(handle: FakeHandle): void {
    if (this.handles.has(handle))
      this.close(handle, this.#holder === handle && handle.notice === 0 ? 1 : 0);
  }

  #checkMode(call: string, share: number, protocols: number): void {
    if (share !== DIRECT && (protocols & 0x1007) === 0)
      throw new ReturnCodeError(call, Rv.ProtoMismatch);
    if (share < EXCLUSIVE || share > DIRECT) throw new ReturnCodeError(call, Rv.InvalidValue);
  }

  /** The first one decides for all until the next reset; T=1 is preferred. */
  #negotiate(call: string, protocols: number): void {
    if (this.#protocol !== 0 && (this.#protocol & protocols) === 0)
      throw new ReturnCodeError(call, Rv.ProtoMismatch);
    this.#protocol ||= [4, 2, 1].find((protocol) => (protocols & protocol) !== 0) ?? 2;
  }

  #takeExclusively(handle: FakeHandle): void {
    this.#exclusive = true;
    this.lock(handle);
  }

  #reset(): void {
    this.#tellAll(Rv.ResetCard);
    this.#protocol = 0;
    this.#onChange();
  }

  #tellAll(notice: number): void {
    for (const handle of this.handles) handle.notice = notice;
  }

  #moved(atr: Uint8Array | undefined, stateBits: number): void {
    this.#atr = atr;
    this.#stateBits = stateBits;
    this.#protocol = 0;
    this.#eventCounter = (this.#eventCounter + 1) & 0xffff;
    this.#onChange();
  }

  #free(): void {
    this.#holder = undefined;
    this.#exclusive = false;
    this.#depth = 0;
    this.#freed.resolve();
    this.#freed = deferred();
  }
}

/** As with a reader that cannot eject: an eject does nothing. */
const resets = (disposition: number): boolean => disposition === 1 || disposition === 2;
