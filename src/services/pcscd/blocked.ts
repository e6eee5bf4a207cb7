import { deferred } from "../../domain/deferred.ts";

/** Connections to pcscd that may wait at once for a lock which somebody else holds. pcscd has 200 for everybody. */
export const MAX_BLOCKED = 64;

/**
 * Bounds the requests that pcscd does not answer while another program holds the card: connects, and disconnects that
 * reset. Each occupies a connection. Those beyond the bound queue here, in order of arrival; a reader on which nothing
 * waits yet is never kept from its first, so that a card held for ever blocks no other reader.
 */
export class Blocked {
  readonly #counts = new Map<string, number>();
  readonly #queue: { readonly reader: string; readonly admit: () => void }[] = [];
  readonly #onFull: (reader: string, connections: number) => void;
  #total = 0;

  constructor(onFull: (reader: string, connections: number) => void) {
    this.#onFull = onFull;
  }

  get total(): number {
    return this.#total;
  }

  /** Waits for a place. Call the returned function when the request was answered. @throws the signal's reason. */
  async enter(reader: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#hasRoom(reader)) this.#add(reader, 1);
    else {
      this.#onFull(reader, this.#total);
      await this.#wait(reader, signal);
    }
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#add(reader, -1);
      const next = this.#queue.findIndex((waiting) => this.#hasRoom(waiting.reader));
      const [admitted] = next < 0 ? [] : this.#queue.splice(next, 1);
      if (!admitted) return;
      this.#add(admitted.reader, 1);
      admitted.admit();
    };
  }

  async #wait(reader: string, signal: AbortSignal): Promise<void> {
    const turn = deferred();
    const waiting = { reader, admit: turn.resolve };
    this.#queue.push(waiting);
    const giveUp = () => {
      const at = this.#queue.indexOf(waiting);
      if (at >= 0) this.#queue.splice(at, 1);
      turn.reject(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  #hasRoom(reader: string): boolean {
    return this.#total < MAX_BLOCKED || (this.#counts.get(reader) ?? 0) === 0;
  }

  #add(reader: string, count: number): void {
    this.#total += count;
    const now = (this.#counts.get(reader) ?? 0) + count;
    if (now > 0) this.#counts.set(reader, now);
    else this.#counts.delete(reader);
  }
}
