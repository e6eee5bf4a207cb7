import { setTimeout as delay } from "node:timers/promises";
import type { Carrier } from "../../carriers/carrier.ts";
import { CardwireError } from "../../domain/errors.ts";
import type { Connection } from "./connection.ts";
import { type Context, type DaemonTraits, negotiate, openContext, speechOf } from "./handshake.ts";
import { findSlots } from "./watcher.ts";

/**
 * How long to wait before a context is asked for again, ms. A pcscd that was started by hand has a queue of one for those
 * who connect, and where it is full connect(2) gives sshd EAGAIN, which does not try again: the stream ends at once.
 */
const AGAIN_MS = [10, 30, 90, 270, 810] as const;

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

  /**
   * The same with a context on it. A daemon that hangs up is asked again a few times, for 1.2 s in all, while there is a
   * line: it may have been its queue that was full, not the daemon.
   */
  async openContext(signal: AbortSignal): Promise<Context> {
    if (!this.#traits) (await this.openConnection(signal)).close();
    if (!this.#traits) throw new Error("unreachable: a connection was opened without traits");
    const traits = this.#traits;
    for (const pauseMs of AGAIN_MS) {
      try {
        return await openContext(this.#carrier, traits, { signal });
      } catch (error) {
        const hungUp = CardwireError.is(error) && error.code === "E_PCSCD_GONE";
        if (!hungUp || this.outage || signal.aborted) throw error;
      }
      // Those who came at the same time shall not come at the same time again.
      const pause = delay(pauseMs * (0.5 + Math.random()), undefined, { signal });
      await pause.catch(() => signal.throwIfAborted());
    }
    return await openContext(this.#carrier, traits, { signal });
  }
}
