import type { Connection } from "./connection.ts";

interface Pending {
  readonly connection: Connection;
  readonly reply: Promise<unknown>;
}

/**
 * Requests whose replies nobody waits for, by reader. They are barriers: pcscd keeps an order only within one
 * connection, so a later request on the same reader from another connection has to wait for them, lest it overtake the
 * end of a transaction or the closing of a handle.
 */
export class Barriers {
  readonly #pending = new Map<string, Set<Pending>>();

  /** Remembers `reply` until it is in, however it ends. */
  add(reader: string, connection: Connection, reply: Promise<unknown>): void {
    const pending: Pending = { connection, reply };
    const ofReader = this.#pending.get(reader) ?? new Set();
    this.#pending.set(reader, ofReader.add(pending));
    const done = () => {
      ofReader.delete(pending);
      if (ofReader.size === 0 && this.#pending.get(reader) === ofReader)
        this.#pending.delete(reader);
    };
    reply.then(done, done); // it failed only if the connection ended, which its owner hears of
  }

  /** Whether a request on `reader` may go out on `connection` at once. */
  isClear(reader: string, connection: Connection): boolean {
    const ofReader = this.#pending.get(reader);
    return !ofReader || [...ofReader].every((pending) => pending.connection === connection);
  }

  /** Resolves when a request on `reader` may go out on `connection`. */
  async clear(reader: string, connection: Connection): Promise<void> {
    while (!this.isClear(reader, connection)) {
      const others = [...(this.#pending.get(reader) ?? [])].filter(
        (pending) => pending.connection !== connection,
      );
      await Promise.allSettled(others.map(({ reply }) => reply));
    }
  }
}
