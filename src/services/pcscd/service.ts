import { setMaxListeners } from "node:events";
import type { Carrier } from "../../carriers/carrier.ts";
import type { CardService, Connected, ConnectOptions, Reader } from "../../domain/card-service.ts";
import { CardwireError, ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Rv } from "../../domain/return-codes.ts";
import { emit } from "../../observe/events.ts";
import { Features } from "../features.ts";
import { Barriers } from "./barriers.ts";
import { Blocked } from "./blocked.ts";
import { connect } from "./connect.ts";
import { Contexts } from "./contexts.ts";
import type { Abandonable, Daemon, PcscdOptions } from "./daemon.ts";
import { Handle } from "./handle.ts";
import type { Context, DaemonTraits } from "./handshake.ts";
import { Presence } from "./presence.ts";
import { ReaderTable } from "./reader-table.ts";
import { roundTrip } from "./round-trip.ts";
import { PcscdSession } from "./session.ts";
import { Uplink } from "./uplink.ts";

/** An idle pcscd may end after that, ms; see PcscdOptions. */
const REST_AFTER_MS = 600_000;

export interface StartOptions {
  /** Aborting ends the start. A service that has started is ended by disposing it. */
  readonly signal: AbortSignal;
  /** Starts although the daemon cannot be reached: `absence` says why, and it is tried again until it can. */
  readonly keepTrying?: boolean | undefined;
}

/**
 * Opens the readers of a pcscd behind a carrier: a Unix socket, or one that ssh carries. The carrier stays the
 * caller's to dispose, after the service.
 *
 * @throws {CardwireError} why the daemon cannot be reached, with what to do about it.
 */
export async function pcscdService(
  carrier: Carrier,
  options: PcscdOptions,
  start: StartOptions,
): Promise<PcscdService> {
  const service = new PcscdService(carrier, options);
  try {
    await service.start(start);
    return service;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

export class PcscdService implements CardService, Daemon {
  /** @internal */
  readonly options: PcscdOptions;
  /** @internal */
  readonly table = new ReaderTable();
  /** @internal */
  readonly barriers = new Barriers();
  /** @internal */
  readonly blocked: Blocked;
  /** @internal */
  readonly contexts: Contexts;
  /** @internal */
  readonly features = new Features();
  readonly #uplink: Uplink;
  readonly #presence: Presence;
  readonly #life = new AbortController();
  readonly #handles = new Set<Abandonable>();
  #users = 0;
  #restTimer: NodeJS.Timeout | undefined;

  constructor(carrier: Carrier, options: PcscdOptions) {
    this.options = options;
    setMaxListeners(0, this.#life.signal);
    this.#uplink = new Uplink(carrier);
    this.contexts = new Contexts(() => this.#uplink.openContext(this.#life.signal));
    this.blocked = new Blocked((reader, connections) =>
      emit("cardwire:blocked", () => ({ at: carrier.name, reader, connections })),
    );
    this.#presence = new Presence(this.#uplink, {
      table: this.table,
      onSeen: () => {
        this.features.keepOnly(this.readers);
        this.contexts.warm();
      },
      onAway: () => {
        this.features.keepOnly([]); // another daemon may have other readers by these names
        this.contexts.rest();
      },
    });
  }

  get readers(): readonly Reader[] {
    return this.table.readers;
  }

  get incarnation(): number {
    return this.#presence.incarnation;
  }

  /** What the daemon speaks; `undefined` until one answered. */
  get traits(): DaemonTraits | undefined {
    return this.#uplink.traits;
  }

  /** Why there are no readers: nothing reaches the daemon. `undefined` while it is there, or not known to be away. */
  get absence(): CardwireError | undefined {
    return this.#presence.absence;
  }

  /** Connects for the first time. @throws {CardwireError} why it cannot. */
  async start({ signal, keepTrying = false }: StartOptions): Promise<void> {
    const stop = () => void this.#presence.rest(); // never rejects
    signal.addEventListener("abort", stop, { once: true });
    try {
      this.#use();
      await (keepTrying ? this.#presence.firstFinding() : this.#presence.firstAttempt());
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#unuse();
    }
  }

  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    using either = firstSignal(signal, this.#life.signal);
    this.#use();
    try {
      await this.#presence.known(either.signal);
      yield* this.table.shown.follow(either);
    } finally {
      this.#unuse();
    }
  }

  async connect(
    reader: string,
    how: ConnectOptions,
    options: { signal: AbortSignal },
  ): Promise<Connected> {
    this.#use();
    try {
      const opened = await this.open(reader, how, options);
      const session = new PcscdSession(this, new Handle(this, reader, opened), how.share);
      return { session, activeProtocol: opened.activeProtocol };
    } finally {
      this.#unuse();
    }
  }

  /** @internal */
  async open(
    reader: string,
    { share, protocols }: Pick<ConnectOptions, "share" | "protocols">,
    { signal }: { signal: AbortSignal },
  ): ReturnType<Daemon["open"]> {
    const leave = await this.blocked.enter(reader, signal);
    try {
      // A handle ends with its connection, so a connect whose connection broke may be asked again.
      for (let failures = 0; ; ) {
        const { losses, incarnation } = this.#presence;
        try {
          return await this.#open(reader, { share, protocols }, signal);
        } catch (error) {
          if (error instanceof ReturnCodeError || signal.aborted) throw error;
          if (!(await this.#presence.confirm())) throw unavailable(error);
          const wasWell = this.#presence.losses === losses;
          // Only the line broke: that may happen again and again.
          if (!wasWell && this.#presence.incarnation === incarnation) continue;
          failures += 1;
          if (failures === 1) continue;
          // It may be this connect that pcscd dies of.
          if (!wasWell) throw unavailable(error);
          // It was well all the time and gave us contexts, but hangs up on this: up to 2.0.0 it denies a card so.
          throw new ReturnCodeError("SCardConnect", Rv.SecurityViolation, { cause: error });
        }
      }
    } finally {
      leave();
    }
  }

  async #open(
    reader: string,
    how: Pick<ConnectOptions, "share" | "protocols">,
    signal: AbortSignal,
  ): ReturnType<Daemon["open"]> {
    const context = await this.#takeContext(reader, signal);
    try {
      const opened = await connect(context, reader, how, { barriers: this.barriers, signal });
      this.table.opened(reader, { share: how.share, activeProtocol: opened.activeProtocol });
      return opened;
    } catch (error) {
      if (error instanceof ReturnCodeError) {
        this.contexts.giveBack(context);
        this.table.refused(reader, { share: how.share, ...error.told });
      }
      throw error;
    }
  }

  /** How long one exchange with the daemon takes, ms: the least of three. `undefined` when it is not there now. */
  async roundTrip({ signal }: { signal: AbortSignal }): Promise<number | undefined> {
    try {
      const context = await this.#takeContext("", signal);
      const shortest = await roundTrip(context.connection, signal);
      this.contexts.giveBack(context);
      return shortest;
    } catch {
      return undefined; // whoever needs the daemon for more hears why
    }
  }

  /** @internal */
  began(handle: Abandonable): void {
    this.#handles.add(handle);
    this.#use();
  }

  /** @internal */
  ended(handle: Abandonable): void {
    if (this.#handles.delete(handle)) this.#unuse();
  }

  /** @internal */
  refresh(): void {
    this.#presence.refresh();
  }

  /** @internal */
  async confirm(): Promise<boolean> {
    this.#use();
    try {
      return await this.#presence.confirm();
    } finally {
      this.#unuse();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#restTimer);
    await Promise.all([...this.#handles].map((handle) => handle.abandon()));
    this.#life.abort(new CardwireError("E_CLOSED", "the service was closed"));
    await this.#presence.close();
  }

  #use(): void {
    this.#users += 1;
    clearTimeout(this.#restTimer);
    if (!this.#life.signal.aborted) this.#presence.wake();
  }

  #unuse(): void {
    this.#users -= 1;
    clearTimeout(this.#restTimer);
    const { keepWarm, restAfterMs = REST_AFTER_MS } = this.options;
    if (this.#users > 0 || keepWarm || this.#life.signal.aborted) return;
    this.#restTimer = setTimeout(() => void this.#presence.rest(), restAfterMs); // never rejects
    this.#restTimer.unref();
  }

  /** A context for a session on `reader`, best one on whose connection nothing has to be waited for. */
  async #takeContext(reader: string, signal: AbortSignal): Promise<Context> {
    // Each attempt of a program that tries again and again would else leave one that waits for the line.
    if (this.#presence.state === "gone") throw unavailable();
    const taken = this.contexts.take(({ connection }) => {
      if (!this.barriers.isClear(reader, connection)) return 0;
      return connection.inFlight > 0 ? 1 : 2;
    });
    const stop = new AbortController();
    using either = firstSignal(signal, stop.signal);
    const gone = this.#presence.until("gone", either.signal).then(() => undefined);
    try {
      const context = await Promise.race([taken, gone]);
      if (context && !signal.aborted) return context;
      taken.then(
        (late) => this.contexts.giveBack(late),
        () => {}, // nobody wants it any more
      );
    } catch (error) {
      // pcscd is watched and well, and yet hangs up on us: it has its 200 connections.
      if (this.#presence.state === "up")
        throw new ReturnCodeError("SCardConnect", Rv.NoMemory, { cause: error });
      throw unavailable(error);
    } finally {
      stop.abort();
    }
    signal.throwIfAborted();
    throw unavailable();
  }
}

const unavailable = (cause?: unknown): ReturnCodeError =>
  new ReturnCodeError("SCardConnect", Rv.ReaderUnavailable, { cause });
