import { setTimeout as delay } from "node:timers/promises";
import type { Carrier } from "../../carriers/carrier.ts";
import { CardwireError } from "../../domain/errors.ts";
import type { Connection } from "./connection.ts";
import { type Context, type DaemonTraits, negotiate, openContext, speechOf } from "./handshake.ts";
import { findSlots } from "./watcher.ts";

/**
 * When to try again to open a context, ms: where pcscd was started by hand, one connection at a time may knock, and sshd
 * refuses the stream if another does just then.
 */
const PAUSES_MS = [5, 10, 20, 40, 80, 160, 320] as const;

/** Opens connections to one daemon and remembers how it talks, so that only the first has to find out. */
export class Uplink {
  readonly #carrier: Carrier;
  #traits: DaemonTraits | undefined;
  #breaks = 0;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  get name(): string {
    return this.#carrier.name;
  }

  /** What the daemon speaks; `undefined` until one answered. */
  get traits(): DaemonTraits | undefined {
    return this.#traits;
  }

  /** How often the line went down, as far as {@link countBreaks} saw. */
  get breaks(): number {
    return this.#breaks;
  }

  /** Counts the breaks of the line until `signal` aborts. */
  async countBreaks(signal: AbortSignal): Promise<void> {
    for await (const { up } of this.#carrier.line.follow({ signal })) if (!up) this.#breaks += 1;
  }

  /** Why the line is down; `undefined` while it is up. */
  get outage(): CardwireError | undefined {
    const line = this.#carrier.line.value;
    if (line.up) return undefined;
    const message = `no line to ${this.name}: ${line.reason}`;
    return line.error ?? new CardwireError("E_LINE_DOWN", message);
  }

  /** Resolves with why the line is down as soon as it is; with `undefined` when `signal` aborts. */
  async untilOutage(signal: AbortSignal): Promise<CardwireError | undefined> {
    for await (const { up } of this.#carrier.line.follow({ signal })) if (!up) return this.outage;
    return undefined;
  }

  /** A different daemon may answer next time. */
  forget(): void {
    this.#traits = undefined;
  }

  /** A connection that lives until somebody closes it or `signal` aborts. @throws as {@link negotiate}. */
  async openConnection(signal: AbortSignal): Promise<Connection> {
    if (this.#traits)
      return (await openContext(this.#carrier, this.#traits, { signal })).connection;
    const { connection, traits } = await negotiate(this.#carrier, { signal });
    try {
      this.#traits = { ...traits, slots: await findSlots(connection) };
      connection.speech = speechOf(this.#traits);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** The same with a context on it; a daemon that hangs up at once is tried again for a moment. */
  async openContext(signal: AbortSignal): Promise<Context> {
    if (!this.#traits) (await this.openConnection(signal)).close();
    if (!this.#traits) throw new Error("unreachable: a connection was opened without traits");
    const traits = this.#traits;
    for (const pauseMs of PAUSES_MS) {
      try {
        return await openContext(this.#carrier, traits, { signal });
      } catch (error) {
        signal.throwIfAborted();
        if (!CardwireError.is(error) || error.code !== "E_PCSCD_GONE" || this.outage) throw error;
      }
      await delay(pauseMs, undefined, { signal });
    }
    return await openContext(this.#carrier, traits, { signal });
  }
}
