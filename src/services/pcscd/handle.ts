import type { ConnectOptions, Reader } from "../../domain/card-service.ts";
import { ReturnCodeError, type ToldAnyway } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { type Body, calls } from "../../wire/pcsclite/calls.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import type { Reply } from "../../wire/pcsclite/replies.ts";
import type { Opened } from "./connect.ts";
import type { Abandonable, Daemon } from "./daemon.ts";
import { release } from "./release.ts";

/**
 * Commands of which nobody knows whether they were run when the connection breaks. What the others do ends with the
 * connection, so that the handle's notice says all there is to say.
 */
const OUTLIVES_CONNECTION: ReadonlySet<Command> = new Set<Command>([
  Command.Transmit,
  Command.Control,
  Command.SetAttrib,
]);

/** Commands on one handle. */
export type CardCommand = Exclude<
  Command,
  typeof Command.EstablishContext | typeof Command.Connect | typeof Command.Version
>;

/**
 * One handle of pcscd's, on a connection that it shares with no other, so that its blocking calls block nobody else.
 * When that connection breaks, the handle lives on without one: it reports a reset or a removal until {@link reopen}.
 */
export class Handle implements Abandonable {
  readonly reader: string;
  /** Whether its program has the card to itself, which its session knows. */
  holds: () => boolean = () => false;
  readonly #daemon: Daemon;
  readonly #life = new AbortController();
  #opened: Opened | undefined;
  #inFlight: Promise<unknown> | undefined;
  /** Whether there was a card, and what the reader held, when the connection broke. */
  #before: Before | undefined;
  #notice: number | undefined;
  #ended = false;

  constructor(daemon: Daemon, reader: string, opened: Opened) {
    this.#daemon = daemon;
    this.reader = reader;
    this.#hold(opened);
  }

  /** Whether pcscd knows this handle. */
  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /** pcscd's number of this handle; 0, which no handle has, while there is none. */
  get card(): number {
    return this.#opened?.card ?? 0;
  }

  /** Aborts when the application that had this handle is gone. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /**
   * Sends a request once nothing on this reader is under way elsewhere, and resolves with its reply.
   *
   * @throws {ReturnCodeError} what pcscd answered; after a break `SCARD_W_RESET_CARD` or `SCARD_W_REMOVED_CARD`, or
   *   once `SCARD_E_NOT_TRANSACTED` where nobody knows whether it was run.
   */
  async request<C extends CardCommand>(
    command: C,
    body: Body<C>,
    payload?: Uint8Array,
  ): Promise<Reply<Body<C>>> {
    const { name } = calls[command];
    const opened = this.#opened;
    if (!opened) throw new ReturnCodeError(name, await this.#lostNotice());
    const { connection } = opened.context;
    if (!this.#daemon.barriers.isClear(this.reader, connection))
      await this.#daemon.barriers.clear(this.reader, connection);
    if (this.#opened !== opened) throw new ReturnCodeError(name, await this.#lostNotice());
    // What a dead application still had queued is dropped, a reset above all.
    if (this.#ended) throw new ReturnCodeError(name, Rv.Cancelled);
    const answer = connection.request(command, body, payload);
    this.#inFlight = answer;
    let reply: Reply<Body<C>>;
    try {
      reply = await answer;
    } catch (cause) {
      this.#break(opened);
      const rv = OUTLIVES_CONNECTION.has(command) ? Rv.NotTransacted : await this.#lostNotice();
      throw new ReturnCodeError(name, rv, { cause });
    } finally {
      this.#inFlight = undefined;
    }
    const result = reply.body as { readonly rv: number };
    const { rv } = result;
    if (rv !== Rv.Success) throw new ReturnCodeError(name, rv, toldIn(result));
    return reply;
  }

  /** Sends a request whose answer carries no news, and keeps it as a barrier instead of waiting for it. */
  async send<C extends CardCommand>(command: C, body: Body<C>): Promise<void> {
    const opened = this.#opened;
    if (!opened) return;
    const { connection } = opened.context;
    if (!this.#daemon.barriers.isClear(this.reader, connection))
      await this.#daemon.barriers.clear(this.reader, connection);
    if (this.#opened !== opened) return; // it broke meanwhile, or its application died: the handle is gone
    this.#daemon.barriers.add(this.reader, connection, connection.requestSoon(command, body));
  }

  /**
   * After a break, a new handle in place of the lost one.
   *
   * @returns the protocol that is active.
   * @throws {ReturnCodeError} as SCardConnect does; `SCARD_E_READER_UNAVAILABLE` where the reader is not there.
   */
  async reopen(how: Pick<ConnectOptions, "share" | "protocols">): Promise<number> {
    const isBack = await this.#daemon.confirm();
    if (!isBack || !this.#daemon.table.find(this.reader))
      throw new ReturnCodeError("SCardReconnect", Rv.ReaderUnavailable);
    const opened = await this.#daemon.open(this.reader, how, { signal: this.signal });
    this.#hold(opened);
    return opened.activeProtocol;
  }

  /** The handle is closed, or its closing is on the way: its context serves the next session. */
  giveBack(): void {
    const opened = this.#opened;
    this.#ended = true;
    if (!opened) return;
    this.#release();
    this.#daemon.contexts.giveBack(opened.context);
  }

  /**
   * Ends the handle as pcscd ends those of a dead client (protocol reference, section 5.7), but only after the request
   * in flight was answered or 5 s have passed. Never throws.
   */
  async abandon(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#life.abort();
    const opened = this.#opened;
    if (!opened) return;
    this.#release();
    const { barriers, options } = this.#daemon;
    const { context, card } = opened;
    const left = () => ({ card, holds: this.holds() });
    const released = release(context, this.reader, { barriers, inFlight: this.#inFlight, left });
    const done = released.then(() => this.#daemon.refresh()); // if this session held the card, it was reset
    if (!options.pipelining) await done;
  }

  #hold(opened: Opened): void {
    this.#opened = opened;
    this.#notice = undefined;
    this.#daemon.began(this);
    void opened.context.connection.closed.then(() => this.#break(opened)); // never rejects
  }

  #release(): void {
    this.#opened = undefined;
    this.#daemon.table.closed(this.reader);
    this.#daemon.ended(this);
  }

  #break(opened: Opened): void {
    if (this.#opened !== opened) return;
    const seen = this.#daemon.table.find(this.reader);
    const { incarnation } = this.#daemon;
    this.#before = { hadCard: opened.activeProtocol !== 0, seen, incarnation };
    this.#release();
  }

  /** What a handle says whose connection broke: reset while the card is still the same, else removed. */
  async #lostNotice(): Promise<number> {
    if (this.#notice !== undefined) return this.#notice;
    if (!(await this.#daemon.confirm())) return Rv.ReaderUnavailable;
    const isSame =
      this.#before?.incarnation === this.#daemon.incarnation &&
      isSameCard(this.#before, this.#daemon.table.find(this.reader));
    this.#notice = isSame ? Rv.ResetCard : Rv.RemovedCard;
    return this.#notice;
  }
}

/** What a failed call says all the same: the length of its answer, or the protocol that a reconnect left in place. */
function toldIn(body: object): ToldAnyway {
  if ("activeProtocol" in body) return { activeProtocol: Number(body.activeProtocol) };
  if ("returned" in body) return { length: Number(body.returned) };
  if ("receiveLength" in body) return { length: Number(body.receiveLength) };
  return "length" in body ? { length: Number(body.length) } : {};
}

/** What was there when the connection broke. */
interface Before {
  readonly hadCard: boolean;
  readonly seen: Reader | undefined;
  readonly incarnation: number;
}

function isSameCard(before: Before, now: Reader | undefined): boolean {
  if (!before.seen || !now || (before.hadCard && !now.atr)) return false;
  const isSameAtr = Buffer.compare(now.atr ?? NOTHING, before.seen.atr ?? NOTHING) === 0;
  return isSameAtr && now.eventCounter === before.seen.eventCounter;
}

const NOTHING = new Uint8Array(0);
