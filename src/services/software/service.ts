import type { CardService, Connected, ConnectOptions, Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Watchable } from "../../domain/watchable.ts";
import type { SoftwareCard } from "../../software-cards/card.ts";
import { type Contacts, contactsOf } from "./contacts.ts";
import { checkMode, checkProtocols, SoftwareSession } from "./session.ts";
import { Slot } from "./slot.ts";

/** As pcscd does with readers whose driver tells of cards by itself. */
const POWER_OFF_AFTER_MS = 5_000;

export interface SoftwareReadersOptions {
  /** How long a card that nobody uses stays under power, and so keeps what was verified, ms. 5,000 unless told. */
  readonly powerOffAfterMs?: number;
}

/**
 * Readers of this process, with cards that are programs: what a pcscd with its drivers is otherwise. All of pcscd's
 * rules about sharing, transactions, notices, protocols and power hold.
 */
export class SoftwareReaders implements CardService {
  readonly #slots = new Map<string, Slot>();
  readonly #shown = new Watchable<readonly Reader[]>([]);
  readonly #closed = new AbortController();
  readonly #powerOffAfterMs: number;

  /** @param names of the readers, which are empty at first; each at most 127 bytes of UTF-8, and none twice. */
  constructor(names: readonly string[] = [], options: SoftwareReadersOptions = {}) {
    this.#powerOffAfterMs = options.powerOffAfterMs ?? POWER_OFF_AFTER_MS;
    for (const name of names) this.plug(name);
  }

  get readers(): readonly Reader[] {
    return this.#shown.value;
  }

  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    using either = firstSignal(signal, this.#closed.signal);
    yield* this.#shown.follow(either);
  }

  async connect(
    reader: string,
    how: ConnectOptions,
    { signal }: { signal: AbortSignal },
  ): Promise<Connected> {
    signal.throwIfAborted();
    checkProtocols("SCardConnect", how.share, how.protocols);
    checkMode("SCardConnect", how.share);
    const session = new SoftwareSession(this.#slot(reader, "SCardConnect"));
    return { session, activeProtocol: await session.connect(how, signal) };
  }

  /** Adds an empty reader. @throws {RangeError} when the name is taken, empty, or longer than 127 bytes. */
  plug(name: string): void {
    const length = Buffer.byteLength(name);
    if (length === 0 || length > 127)
      throw new RangeError("a reader's name has 1 to 127 bytes of UTF-8");
    if (this.#slots.has(name)) throw new RangeError(`there is a reader "${name}" already`);
    const onChange = () => this.#show();
    this.#slots.set(name, new Slot(name, { onChange, powerOffAfterMs: this.#powerOffAfterMs }));
    this.#show();
  }

  /** Takes a reader away, with the card in it. */
  unplug(name: string): void {
    const slot = this.#slot(name, "unplug");
    this.#slots.delete(name);
    slot.remove();
    this.#show();
  }

  /** Puts a card into a reader; resolves when its ATR is listed. One that lies there is pulled first. */
  async insert(reader: string, card: SoftwareCard): Promise<void> {
    await this.insertContacts(reader, contactsOf(card));
  }

  /** The same, for a card that lives elsewhere. */
  async insertContacts(reader: string, contacts: Contacts): Promise<void> {
    await this.#slot(reader, "insert").insert(contacts);
  }

  /** Takes the card out of a reader; nothing where there is none. */
  pull(reader: string): void {
    this.#slot(reader, "pull").pull();
  }

  /** Pulls all cards; followers end. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const slot of this.#slots.values()) slot.remove();
    this.#closed.abort();
  }

  #slot(name: string, call: string): Slot {
    const slot = this.#slots.get(name);
    if (!slot) throw new ReturnCodeError(call, Rv.UnknownReader);
    return slot;
  }

  #show(): void {
    this.#shown.set([...this.#slots.values()].map(({ reader }) => reader));
  }
}
