import type { Principal } from "./principal.ts";

/**
 * Something that has readers and connects to the cards in them. Services wrap one another, as middleware does.
 *
 * Share modes, protocols, dispositions and control codes are PC/SC's numbers, unchanged: what a caller may ask is for
 * the one who owns the reader to judge.
 */
export interface CardService extends AsyncDisposable {
  /** The readers now. Never waits, never costs I/O. */
  readonly readers: readonly Reader[];
  /**
   * Each new list of readers, from the current one on, until `signal` aborts. Slow followers skip lists, never changes.
   * A service that rests while nobody watches first finds out what is true now.
   */
  watch(options: { signal: AbortSignal }): AsyncIterable<readonly Reader[]>;
  /**
   * Connects to a reader and the card in it. May wait for as long as another program keeps the card in a transaction.
   *
   * When `signal` aborts, a connection that is under way is given up: the card is left as it is.
   * @throws {ReturnCodeError} as SCardConnect does; `SCARD_E_NO_SMARTCARD` is the usual one.
   */
  connect(
    reader: string,
    how: ConnectOptions,
    options: { signal: AbortSignal },
  ): Promise<Connected>;
}

export interface Connected {
  readonly session: CardSession;
  /** What was negotiated with the card, as in {@link Reader}. */
  readonly activeProtocol: number;
}

export interface Reader {
  /** As applications see it, at most 127 bytes of UTF-8. Unique within a service. */
  readonly name: string;
  /** Absent while no card answered here. 2 to 33 bytes, ISO/IEC 7816-3, clause 8. */
  readonly atr?: Uint8Array;
  /** pcsc-lite's state bits: 1 unknown, 2 absent, 4 present, 8 mute, 16 powered, 32 negotiable. */
  readonly stateBits: number;
  /** −1 held exclusively, 0 unused, otherwise how many shared and direct handles there are. */
  readonly sharing: number;
  /** What was negotiated with the card: 0 nothing yet, 1 T=0, 2 T=1, 4 raw. */
  readonly protocol: number;
  /** Insertions and removals of cards, 0 to 0xffff; after that 0 again. */
  readonly eventCounter: number;
}

export interface ConnectOptions {
  /** 1 exclusive, 2 shared, 3 direct. */
  readonly share: number;
  /** Bit set of the protocols that the caller can use: 1 T=0, 2 T=1, 4 raw. */
  readonly protocols: number;
  readonly principal: Principal;
}

/**
 * One handle on one card. Every method throws {@link ReturnCodeError} as its PC/SC function does, in particular
 * `SCARD_W_RESET_CARD` and `SCARD_W_REMOVED_CARD` until {@link reconnect} succeeds, and `SCARD_E_SHARING_VIOLATION`
 * while another session holds the card. A session is used by one caller, one call at a time.
 */
export interface CardSession {
  /**
   * Keeps every other session off the card. Nests: each begin wants its end.
   *
   * @throws {ReturnCodeError} `SCARD_E_SHARING_VIOLATION` when it was not this session's turn within the time that the
   *   service waits (pcscd: 100 ms); ask again.
   */
  begin(options: { signal: AbortSignal }): Promise<void>;
  /** @param disposition 0 leave, 1 reset, 2 unpower, 3 eject. */
  end(disposition: number): Promise<void>;
  /**
   * Sends one command APDU to the card and resolves with its answer.
   *
   * @param apdu at most 65,548 bytes (ISO/IEC 7816-4, command-response pairs).
   * @param pci the protocols in the caller's two SCARD_IO_REQUESTs: 1 T=0, 2 T=1, 4 raw. Drivers may leave the second as it is.
   * @returns the answer, at most 65,548 bytes, SW1 SW2 last. `6A82` is an answer like any other: status words are never thrown.
   * @throws {ReturnCodeError} `SCARD_E_NOT_TRANSACTED` when the line broke and nobody knows whether the card ran it.
   *   It is never sent again.
   */
  transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): Promise<{ readonly data: Uint8Array; readonly receiveProtocol: number }>;
  /** Talks to the reader, not to the card: SCardControl. Ignores pending reset and removal notices, as pcscd does. */
  control(code: number, data: Uint8Array): Promise<Uint8Array>;
  /** Resolves while the handle is good; what state the card is in stands in {@link CardService.readers}. */
  status(): Promise<void>;
  /** @returns at most 264 bytes. */
  getAttribute(id: number): Promise<Uint8Array>;
  /** @param value at most 264 bytes. */
  setAttribute(id: number, value: Uint8Array): Promise<void>;
  /**
   * Renews the handle after a reset or removal notice, or changes its share mode.
   *
   * @param initialization 0 leave, 1 reset, 2 unpower.
   * @returns the protocol that is active now.
   */
  reconnect(how: Omit<ConnectOptions, "principal">, initialization: number): Promise<number>;
  /** The application closed its handle. @param disposition 0 leave, 1 reset, 2 unpower, 3 eject. */
  disconnect(disposition: number): Promise<void>;
  /**
   * The application died or released its context. The card is reset if this session held it, and left alone otherwise,
   * as pcscd does. Never throws; resolves as soon as nobody can tell the difference from having waited.
   */
  abandon(): Promise<void>;
}
