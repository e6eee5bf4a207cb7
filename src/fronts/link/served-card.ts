import type { CardService, CardSession } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import type { Principal } from "../../domain/principal.ts";
import { Rv } from "../../domain/return-codes.ts";
import { type Body, Flag, type Frame, Type } from "../../wire/link/frames.ts";
import { type Answer, type CallFrame, endsAll, nameOf } from "./call-frame.ts";
import { fetchAhead } from "./fetch-ahead.ts";
import { Turns } from "./turns.ts";

const DONE: Answer = {};

interface ConnectHow {
  readonly share: number;
  readonly protocols: number;
  readonly flags: number;
}

/**
 * One handle of a program at the other end. Programs go on without some answers; what such a call came to shows at the
 * next one that is answered.
 */
export class ServedCard {
  readonly reader: string;
  readonly #service: CardService;
  readonly #principal: Principal;
  #session: CardSession | undefined;
  /** What each call gets while there is no session: why it could not be connected, or that its transaction ended. */
  #without: number = Rv.InvalidHandle;
  /** Transactions that were granted and not ended. */
  #depth = 0;
  /** Begins that nobody waited for and that were refused: each command tries again, and runs only if it is granted. */
  #owed = 0;
  #isExclusive = false;
  readonly #turns = new Turns();

  constructor(service: CardService, reader: string, principal: Principal) {
    this.#service = service;
    this.reader = reader;
    this.#principal = principal;
  }

  /** Whether no call is under way or waits. */
  get isIdle(): boolean {
    return this.#turns.waiting === 0 && this.#session !== undefined;
  }

  get isExclusive(): boolean {
    return this.#isExclusive;
  }

  /** Whether its program keeps others off the card, or believes so. */
  get holds(): boolean {
    return this.#depth > 0 || this.#owed > 0 || this.#isExclusive;
  }

  /** Calls that wait or are under way. */
  get waiting(): number {
    return this.#turns.waiting;
  }

  /** Does `job` after the calls before it, and after `others`. Never rejects if `job` does not. */
  inTurn<T>(job: () => Promise<T>, others?: Promise<unknown>): Promise<T> {
    return this.#turns.take(job, others);
  }

  /** Gives up the connect or begin that is under way or waits for its turn. */
  cancel(): void {
    this.#turns.cancel();
  }

  /** @throws {ReturnCodeError} as SCardConnect; what follows then gets the same. */
  async connect(how: ConnectHow): Promise<Answer> {
    try {
      return await this.#connect("SCardConnect", how);
    } catch (error) {
      this.#without = error instanceof ReturnCodeError ? error.rv : Rv.ReaderUnavailable;
      throw error;
    }
  }

  /** @throws {ReturnCodeError} as its PC/SC function. */
  async call(frame: CallFrame): Promise<Answer> {
    const session = this.#session;
    if (!session) return await this.#callWithout(frame);
    switch (frame.type) {
      case Type.Begin:
        return await this.#begin(session, frame.body.flags);
      case Type.End:
        return await this.#end(session, frame.body.disposition);
      case Type.Reconnect:
        return await this.#reconnect(session, frame.body);
      case Type.Disconnect:
        return await this.#disconnect(session, frame.body);
      case Type.Transmit:
        await this.#pay(session);
        return await this.#transmit(session, frame);
      case Type.Control:
        await this.#pay(session);
        return { data: await session.control(frame.body.code, frame.tail) };
      case Type.Status:
        await this.#pay(session);
        await session.status();
        break;
      case Type.GetAttribute:
        await this.#pay(session);
        return { data: await session.getAttribute(frame.body.code) };
      case Type.SetAttribute:
        await this.#pay(session);
        await session.setAttribute(frame.body.code, frame.tail);
        break;
    }
    return DONE;
  }

  /** What a look from time to time finds: the notice that nobody asked for yet. */
  async notice(): Promise<number | undefined> {
    try {
      await this.#session?.status();
      return undefined;
    } catch (error) {
      const rv = error instanceof ReturnCodeError ? error.rv : undefined;
      return rv === Rv.ResetCard || rv === Rv.RemovedCard ? rv : undefined;
    }
  }

  /**
   * Its program died, or nobody comes back for it: what waits is given up, what was sent before is carried out, and then
   * the handle ends. Never rejects.
   */
  async abandon(): Promise<void> {
    await this.#turns.last(async () => {
      const session = this.#session;
      this.#session = undefined;
      this.#forget();
      await session?.abandon();
    });
  }

  /** The time of its transaction is over: the card is as if its holder had died, and its program learns of a reset. */
  async unlock(): Promise<void> {
    const session = this.#session;
    if (!session || !this.holds) return;
    this.#session = undefined;
    this.#forget();
    this.#without = Rv.ResetCard;
    await session.abandon();
  }

  #forget(): void {
    this.#depth = 0;
    this.#owed = 0;
    this.#isExclusive = false;
  }

  async #callWithout(frame: CallFrame): Promise<Answer> {
    if (frame.type === Type.Disconnect) {
      this.#without = Rv.InvalidHandle;
      return DONE;
    }
    const isLost = this.#without === Rv.ResetCard;
    if (frame.type !== Type.Reconnect) throw new ReturnCodeError(nameOf(frame), this.#without);
    if (!isLost) throw new ReturnCodeError("SCardReconnect", this.#without);
    const answer = await this.#connect("SCardReconnect", frame.body);
    const session = this.#session;
    if (frame.body.initialization === Disposition.Leave || !session) return answer;
    return await this.#reconnect(session, frame.body);
  }

  async #connect(call: string, { share, protocols, flags }: ConnectHow): Promise<Answer> {
    const signal = this.#stoppable(flags);
    try {
      const how = { share, protocols, principal: this.#principal };
      const { session, activeProtocol } = await this.#service.connect(this.reader, how, { signal });
      this.#session = session;
      this.#isExclusive = share === ShareMode.Exclusive;
      return { protocol: activeProtocol };
    } catch (error) {
      if (error instanceof ReturnCodeError || !signal.aborted) throw error;
      throw new ReturnCodeError(call, Rv.Cancelled, { cause: error });
    }
  }

  async #begin(session: CardSession, flags: number): Promise<Answer> {
    if (this.#owed > 0) await this.#pay(session);
    try {
      const signal = this.#stoppable(flags);
      signal.throwIfAborted();
      await session.begin({ signal });
      this.#depth += 1;
    } catch (error) {
      if ((flags & Flag.Early) === 0) throw error;
      this.#owed += 1;
    }
    return DONE;
  }

  /** What was begun without waiting is begun now, or the command that needs it is refused. */
  async #pay(session: CardSession): Promise<void> {
    while (this.#owed > 0) {
      await session.begin({ signal: this.#stoppable() });
      this.#owed -= 1;
      this.#depth += 1;
    }
  }

  async #end(session: CardSession, disposition: number): Promise<Answer> {
    if (this.#owed > 0 && disposition === Disposition.Leave) {
      this.#owed -= 1;
      return DONE;
    }
    if (this.#owed > 0) await this.#pay(session);
    try {
      await session.end(disposition);
      this.#depth = Math.max(0, this.#depth - 1);
    } catch (error) {
      if (endsAll(error)) this.#depth = 0;
      throw error;
    }
    return DONE;
  }

  async #disconnect(session: CardSession, how: Body<typeof Type.Disconnect>): Promise<Answer> {
    try {
      await session.disconnect(how.disposition);
    } catch (error) {
      if ((how.flags & Flag.Early) === 0) throw error; // its program still has the handle
      await session.abandon();
    }
    this.#session = undefined;
    this.#without = Rv.InvalidHandle;
    this.#forget();
    return DONE;
  }

  async #transmit(
    session: CardSession,
    { body, tail }: Frame<typeof Type.Transmit>,
  ): Promise<Answer> {
    const pci = { send: body.sendProtocol, receive: body.receiveProtocol };
    const { data, receiveProtocol } = await session.transmit(tail, pci);
    const isOurs = this.#depth > 0 && (body.flags & Flag.Fetch) !== 0;
    const ahead = isOurs ? await fetchAhead(session, { pci, flags: body.flags, data }) : [];
    return { data, protocol: receiveProtocol, ahead };
  }

  async #reconnect(
    session: CardSession,
    how: { readonly share: number; readonly protocols: number; readonly initialization: number },
  ): Promise<Answer> {
    const { share, protocols, initialization } = how;
    const protocol = await session.reconnect({ share, protocols }, initialization);
    const isExclusive = share === ShareMode.Exclusive;
    if (this.#isExclusive && !isExclusive) this.#depth += 1; // its level stays (seen with 1.9.9)
    this.#isExclusive = isExclusive;
    // Its program was told, by the command that should have been in that transaction.
    this.#owed = 0;
    return { protocol };
  }

  /** A signal for what may have to wait. */
  #stoppable(flags = 0): AbortSignal {
    return (flags & Flag.Early) === 0 ? this.#turns.awaited : this.#turns.unawaited;
  }
}
