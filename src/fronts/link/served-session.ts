import type { CardSession } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Flag, type Frame, Type } from "../../wire/link/frames.ts";
import { type Answer, type CallFrame, DONE, endsAll, isEarly } from "./call-frame.ts";
import { fetchAhead } from "./fetch-ahead.ts";
import type { Turns } from "./turns.ts";

/** A handle that is connected: its calls, and the transactions that its program has, or believes it has. */
export class ServedSession {
  readonly #session: CardSession;
  readonly #turns: Turns;
  /** Transactions that were granted and not ended. */
  #depth = 0;
  /** Begins that nobody waited for and that were refused: each command tries again, and runs only if it is granted. */
  #owed: number;
  #isExclusive: boolean;
  #ending: Promise<void> | undefined;

  /** @param begun.owed transactions that its program believes it has already. */
  constructor(
    session: CardSession,
    turns: Turns,
    begun: { readonly share: number; readonly owed: number },
  ) {
    this.#session = session;
    this.#turns = turns;
    this.#owed = begun.owed;
    this.#isExclusive = begun.share === ShareMode.Exclusive;
  }

  get isExclusive(): boolean {
    return this.#isExclusive;
  }

  /** Whether its program keeps others off the card, or believes so. */
  get holds(): boolean {
    return this.#depth > 0 || this.#owed > 0 || this.#isExclusive;
  }

  /** @throws {ReturnCodeError} as its PC/SC function. */
  async call(frame: CallFrame): Promise<Answer> {
    const session = this.#session;
    switch (frame.type) {
      case Type.Begin:
        return await this.#begin(frame);
      case Type.End:
        return await this.#end(frame);
      case Type.Reconnect:
        return await this.reconnect(frame.body);
      case Type.Disconnect:
        return await this.#disconnect(frame);
      case Type.Transmit:
        if (this.#owed > 0) await this.#pay();
        return await this.#transmit(frame);
      case Type.Control:
        await this.#pay();
        return { data: await session.control(frame.body.code, frame.tail) };
      case Type.Status:
        await this.#pay();
        await session.status();
        break;
      case Type.GetAttribute:
        await this.#pay();
        return { data: await session.getAttribute(frame.body.code) };
      case Type.SetAttribute:
        await this.#pay();
        await session.setAttribute(frame.body.code, frame.tail);
        break;
    }
    return DONE;
  }

  async reconnect(how: {
    readonly share: number;
    readonly protocols: number;
    readonly initialization: number;
  }): Promise<Answer> {
    const { share, protocols, initialization } = how;
    const protocol = await this.#session.reconnect({ share, protocols }, initialization);
    const isExclusive = share === ShareMode.Exclusive;
    if (this.#isExclusive && !isExclusive) this.#depth += 1; // its level stays (seen with 1.9.9)
    this.#isExclusive = isExclusive;
    // Its program was told, by the command that should have been in that transaction.
    this.#owed = 0;
    return { protocol };
  }

  /** What a look from time to time finds: the notice that nobody asked for yet. */
  async notice(): Promise<number | undefined> {
    try {
      await this.#session.status();
      return undefined;
    } catch (error) {
      return noticeIn(error);
    }
  }

  /** Its program is gone. Gives up the call under way, where that waits. Never rejects. */
  async abandon(): Promise<void> {
    this.#ending ??= this.#session.abandon();
    await this.#ending;
  }

  async #begin(frame: Frame<typeof Type.Begin>): Promise<Answer> {
    if (isEarly(frame) && this.#owed > 0) return this.#owe();
    await this.#pay();
    try {
      const signal = isEarly(frame) ? this.#turns.unawaited : this.#turns.awaited;
      signal.throwIfAborted();
      await this.#session.begin({ signal });
      this.#depth += 1;
    } catch (error) {
      if (!isEarly(frame)) throw error;
      this.#owe();
    }
    return DONE;
  }

  #owe(): Answer {
    this.#owed += 1;
    return DONE;
  }

  /** What was begun without waiting is begun now, or the command that needs it is refused. */
  async #pay(): Promise<void> {
    try {
      while (this.#owed > 0) {
        await this.#session.begin({ signal: this.#turns.awaited });
        this.#owed -= 1;
        this.#depth += 1;
      }
    } catch (error) {
      // Had it begun in time, it would be over by that, and its end refused.
      if (noticeIn(error) !== undefined) this.#owed = 0;
      throw error;
    }
  }

  async #end(frame: Frame<typeof Type.End>): Promise<Answer> {
    const { disposition } = frame.body;
    if (this.#owed > 0 && disposition === Disposition.Leave) {
      const told = isEarly(frame) ? undefined : await this.notice();
      this.#owed = told === undefined ? this.#owed - 1 : 0;
      if (told !== undefined) throw new ReturnCodeError("SCardEndTransaction", told);
      return DONE;
    }
    await this.#pay();
    try {
      await this.#session.end(disposition);
      this.#depth = Math.max(0, this.#depth - 1);
    } catch (error) {
      if (endsAll(error)) this.#depth = 0;
      throw error;
    }
    return DONE;
  }

  async #disconnect(frame: Frame<typeof Type.Disconnect>): Promise<Answer> {
    try {
      await this.#session.disconnect(frame.body.disposition);
    } catch (error) {
      if (!isEarly(frame)) throw error; // its program still has the handle
      await this.#session.abandon();
    }
    return DONE;
  }

  async #transmit({ body, tail }: Frame<typeof Type.Transmit>): Promise<Answer> {
    const session = this.#session;
    const pci = { send: body.sendProtocol, receive: body.receiveProtocol };
    const { data, receiveProtocol } = await session.transmit(tail, pci);
    const isOurs = this.#depth > 0 && (body.flags & Flag.Fetch) !== 0;
    const ahead = isOurs ? await fetchAhead(session, { pci, flags: body.flags, data }) : [];
    return { data, protocol: receiveProtocol, ahead };
  }
}

/** The notice that a call was refused with, if it was one. */
function noticeIn(error: unknown): number | undefined {
  const rv = error instanceof ReturnCodeError ? error.rv : undefined;
  return rv === Rv.ResetCard || rv === Rv.RemovedCard ? rv : undefined;
}
