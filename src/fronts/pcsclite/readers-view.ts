import type { CardService, Reader } from "../../domain/card-service.ts";
import { deferred } from "../../domain/deferred.ts";

/** The plug counter is a signed 16-bit number that begins at 1 (protocol reference, section 1.4). */
const MAX_READER_EVENTS = 32_767;

/** A service's readers as the applications on one socket follow them; the service is watched only while there are any. */
export class ReadersView {
  readonly #service: CardService;
  readonly #onChange: () => void;
  #followers = 0;
  #stop: AbortController | undefined;
  #ready = deferred();
  #isReady = false;
  #seen: readonly Reader[] = [];
  #readerEvents = 1;
  #version = 0;

  /** @param onChange is called when something changed that ends applications' waiting. */
  constructor(service: CardService, onChange: () => void) {
    this.#service = service;
    this.#onChange = onChange;
  }

  get readers(): readonly Reader[] {
    return this.#service.readers;
  }

  /** Goes up when a reader comes or goes, 1 to 32767. */
  get readerEvents(): number {
    return this.#readerEvents;
  }

  /** Another number after each change that ends applications' waiting. */
  get version(): number {
    return this.#version;
  }

  /** Whether the readers are known to be true; {@link ready} resolves when they are. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** An application came. */
  follow(): void {
    this.#followers += 1;
    if (this.#stop) return;
    this.#stop = new AbortController();
    void this.#watch(this.#stop.signal); // watching ends by its signal and does not reject
  }

  /** An application went. */
  unfollow(): void {
    this.#followers -= 1;
    if (this.#followers > 0) return;
    this.#stop?.abort();
    this.#stop = undefined;
    this.#isReady = false;
    this.#ready = deferred();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for await (const readers of this.#service.watch({ signal })) {
      if (signal.aborted) return;
      this.#compare(readers);
      this.#isReady = true;
      this.#ready.resolve();
    }
  }

  #compare(readers: readonly Reader[]): void {
    const before = new Map(this.#seen.map((reader) => [reader.name, reader]));
    this.#seen = readers;
    const added = readers.filter(({ name }) => !before.has(name)).length;
    const removed = before.size - (readers.length - added);
    for (let plugs = added + removed; plugs > 0; plugs--)
      this.#readerEvents = this.#readerEvents === MAX_READER_EVENTS ? 1 : this.#readerEvents + 1;
    const changed = readers.some((reader) => differs(before.get(reader.name), reader));
    if (added + removed === 0 && !changed) return;
    this.#version += 1;
    this.#onChange();
  }
}

/** What pcscd raises an event for (protocol reference, section 5.9): not for a negotiated protocol. */
function differs(before: Reader | undefined, now: Reader): boolean {
  return (
    before?.eventCounter !== now.eventCounter ||
    before.stateBits !== now.stateBits ||
    before.sharing !== now.sharing
  );
}
