import type { CardService, Connected, ConnectOptions, Reader } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { Rv } from "../domain/return-codes.ts";
import { Watchable } from "../domain/watchable.ts";
import { type FakeAnswers, type FakeCall, FakeSession } from "./fake-session.ts";
import { FakeSlot } from "./fake-slot.ts";

/** The state of a card that answered, and of an empty reader: {@link Reader.stateBits}. */
const READY = 0x34;
const ABSENT = 0x02;

/** A {@link Reader} with all that a test does not care about filled in. */
export function fakeReader(name: string, about: Partial<Omit<Reader, "name">> = {}): Reader {
  const stateBits = about.atr ? READY : ABSENT;
  return { name, stateBits, sharing: 0, protocol: 0, eventCounter: 0, ...about };
}

/**
 * A CardService without readers, cards or a daemon. It keeps pcscd's rules about sharing, transactions and notices,
 * remembers what was called, and lets a test answer, delay and refuse each call.
 */
export function fakeService(readers: readonly Reader[] = [], answers: FakeAnswers = {}) {
  return new FakeService(readers, answers);
}

export class FakeService implements CardService {
  readonly #slots = new Map<string, FakeSlot>();
  readonly #answers: FakeAnswers;
  readonly #shown: Watchable<readonly Reader[]>;
  readonly #closed = new AbortController();
  readonly #log: string[] = [];

  constructor(readers: readonly Reader[], answers: FakeAnswers) {
    this.#answers = answers;
    for (const reader of readers) this.#slots.set(reader.name, this.#slot(reader));
    this.#shown = new Watchable(readers);
  }

  /** Every call so far, in the order of their beginning: `connect Reader 00 00`, `transmit 00a40400`, … `close`. */
  get log(): readonly string[] {
    return this.#log;
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
    await this.#enter({ name: "connect", reader, detail: reader });
    const slot = this.#slots.get(reader);
    if (!slot) throw new ReturnCodeError("SCardConnect", Rv.UnknownReader);
    await slot.untilFree("SCardConnect", undefined, signal);
    const session = new FakeSession(slot, this.#answers, (call) => this.#enter(call));
    const activeProtocol = slot.connect(session, how);
    return { session, activeProtocol };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#log.push("close");
    this.#closed.abort();
  }

  /** Puts a card into a reader. */
  insert(reader: string, atr: Uint8Array): void {
    this.#slots.get(reader)?.insert(atr);
  }

  /** Takes the card out of a reader. */
  pull(reader: string): void {
    this.#slots.get(reader)?.pull();
  }

  /** Adds a reader. */
  plug(reader: Reader): void {
    this.#slots.set(reader.name, this.#slot(reader));
    this.#show();
  }

  /** Removes a reader; handles on it report that their card is gone. */
  unplug(reader: string): void {
    const slot = this.#slots.get(reader);
    this.#slots.delete(reader);
    if (slot) slot.pull();
  }

  #slot(reader: Reader): FakeSlot {
    return new FakeSlot(reader, () => this.#show());
  }

  async #enter(call: FakeCall): Promise<void> {
    this.#log.push(call.detail === "" ? call.name : `${call.name} ${call.detail}`);
    await this.#answers.before?.(call);
  }

  #show(): void {
    this.#shown.set([...this.#slots.values()].map(({ reader }) => reader));
  }
}
