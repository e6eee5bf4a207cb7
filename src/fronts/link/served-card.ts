import type { CardService } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import type { Principal } from "../../domain/principal.ts";
import { Rv } from "../../domain/return-codes.ts";
import { type Body, Flag, Type } from "../../wire/link/frames.ts";
import {
  type Answer,
  type AnsweringEnd,
  type CallFrame,
  DONE,
  isDenied,
  isEarly,
  nameOf,
} from "./call-frame.ts";
import { OwedConnect } from "./owed-connect.ts";
import { PulledCard } from "./pulled-card.ts";
import { ServedSession } from "./served-session.ts";
import { type TurnOptions, Turns } from "./turns.ts";

/** How long the calls of a handle whose card was pulled wait until it counts, ms. */
const STAND_IN_MS = 500;

interface ConnectHow {
  readonly share: number;
  readonly protocols: number;
}

/**
 * One handle of a program at the other end, whether it is connected or not. Programs go on without some answers; what
 * such a call came to shows at the next one that is answered.
 */
export class ServedCard {
  readonly reader: string;
  readonly #service: CardService;
  readonly #principal: Principal;
  readonly #paced: AnsweringEnd["paced"];
  readonly #turns = new Turns();
  #session: ServedSession | undefined;
  /** What each call gets while there is no session: why it could not be connected, or that its transaction ended. */
  #without: number = Rv.InvalidHandle;
  /** What is connected before the next command. */
  #owed: OwedConnect | undefined;
  #isConnecting = true;

  /** @param paced for calls while there is no session. */
  constructor(
    service: CardService,
    reader: string,
    principal: Principal,
    paced?: AnsweringEnd["paced"],
  ) {
    this.#service = service;
    this.reader = reader;
    this.#principal = principal;
    this.#paced = paced;
  }

  /** Whether no call is under way or waits. */
  get isIdle(): boolean {
    return this.#turns.waiting === 0 && this.#session !== undefined;
  }

  /** Whether the reader has this handle, or will in a moment. */
  get isCounted(): boolean {
    return this.#session !== undefined || this.#isConnecting;
  }

  get isExclusive(): boolean {
    return this.#session?.isExclusive ?? false;
  }

  /** Whether its program keeps others off the card, or believes so. */
  get holds(): boolean {
    return this.#session?.holds ?? (this.#owed?.begins ?? 0) > 0;
  }

  /** Calls that wait or are under way. */
  get waiting(): number {
    return this.#turns.waiting;
  }

  /** See {@link Turns.take}. */
  inTurn<T>(job: () => Promise<T>, options?: TurnOptions): Promise<T> {
    return this.#turns.take(job, options);
  }

  /** Gives up the connect or begin that is under way or waits for its turn. */
  cancel(): void {
    this.#turns.cancel();
  }

  /** @throws {ReturnCodeError} as SCardConnect; what follows then gets the same. */
  async connect(how: ConnectHow & { readonly flags: number }): Promise<Answer> {
    const wasAwaited = (how.flags & Flag.Early) === 0;
    const signal = wasAwaited ? this.#turns.awaited : this.#turns.unawaited;
    try {
      return await this.#connect("SCardConnect", how, { signal });
    } catch (error) {
      this.#without = codeOf(error);
      if (wasAwaited) throw error;
      if (isDenied(error)) this.#owed = new OwedConnect(this.#service, this.reader, how);
      throw isPulled(error) ? await this.#standIn() : error;
    }
  }

  /** @throws {ReturnCodeError} as its PC/SC function. */
  async call(frame: CallFrame): Promise<Answer> {
    const session = this.#session;
    if (!session) return await this.#callWithout(frame);
    const answer = await session.call(frame);
    if (frame.type === Type.Disconnect) this.#end(Rv.InvalidHandle);
    return answer;
  }

  /** What a look from time to time finds: the notice that nobody asked for yet. */
  async notice(): Promise<number | undefined> {
    return await this.#session?.notice();
  }

  /**
   * Its program died, or nobody comes back for it: what it waited for is given up, what it believed done is carried out,
   * and then the handle ends. Never rejects.
   */
  async abandon(): Promise<void> {
    const last = async (): Promise<void> => await this.#end(Rv.InvalidHandle)?.abandon();
    // Never rejects, and is awaited by the last.
    await this.#turns.last(last, () => void this.#session?.abandon());
  }

  /** The time of its transaction is over: the card is as if its holder had died, and its program learns of a reset. */
  async unlock(): Promise<void> {
    if (this.#session?.holds) await this.#end(Rv.ResetCard)?.abandon();
  }

  /** @param why what each call gets from here on. @returns the session that there was. */
  #end(why: number): ServedSession | undefined {
    const session = this.#session;
    this.#session = undefined;
    this.#owed = undefined;
    this.#without = why;
    return session;
  }

  async #callWithout(frame: CallFrame): Promise<Answer> {
    if (frame.type === Type.Disconnect) {
      this.#end(Rv.InvalidHandle);
      return DONE;
    }
    const { awaited, unawaited } = this.#turns;
    await this.#paced?.({ signal: isEarly(frame) ? unawaited : awaited });
    if (frame.type === Type.Reconnect) return await this.#connectAnew(frame.body);
    const owed = this.#owed;
    if (!owed) throw new ReturnCodeError(nameOf(frame), this.#without);
    if (frame.type === Type.Begin && isEarly(frame)) {
      owed.begins += 1;
      return DONE;
    }
    if (
      frame.type === Type.End &&
      frame.body.disposition === Disposition.Leave &&
      owed.begins > 0
    ) {
      owed.begins -= 1;
      return DONE;
    }
    const session = await this.#connectAgain(nameOf(frame), owed);
    return await session.call(frame);
  }

  /** After the time of its transaction, or after a refusal that its program has been told of by each call. */
  async #connectAnew(how: Body<typeof Type.Reconnect>): Promise<Answer> {
    const call = "SCardReconnect";
    if (this.#without === Rv.InvalidHandle) throw new ReturnCodeError(call, this.#without);
    const owed = this.#owed;
    const signal = this.#turns.awaited;
    const answer = await this.#connect(call, how, { signal }).catch((error: unknown) => {
      throw owed && isDenied(error) ? owed.refusal(call) : error;
    });
    if (how.initialization === Disposition.Leave) return answer;
    return (await this.#session?.reconnect(how)) ?? answer;
  }

  /** What was connected without waiting is connected now, or the command that needs it is refused. */
  async #connectAgain(call: string, owed: OwedConnect): Promise<ServedSession> {
    try {
      await this.#connect(call, owed, { signal: this.#turns.awaited, owed: owed.begins });
    } catch (error) {
      if (isDenied(error)) throw owed.refusal(call);
      if (codeOf(error) !== Rv.Cancelled) this.#end(codeOf(error));
      throw isPulled(error) ? await this.#standIn() : error;
    }
    if (this.#session && owed.isSameCard) return this.#session;
    await this.#end(Rv.RemovedCard)?.abandon();
    throw new ReturnCodeError(call, Rv.RemovedCard);
  }

  /**
   * Its program was told that it is connected, and the card has gone since: what it has is a handle whose card was
   * pulled, which counts among the reader's. If somebody keeps the reader for himself, it stays without.
   *
   * @returns what its calls are told.
   */
  async #standIn(): Promise<ReturnCodeError> {
    this.#without = Rv.RemovedCard;
    const how = { share: ShareMode.Direct, protocols: 0, principal: this.#principal };
    using within = firstSignal(this.#turns.unawaited, AbortSignal.timeout(STAND_IN_MS));
    await this.#service.connect(this.reader, how, within).then(
      ({ session }) => {
        const { share } = how;
        this.#session = new ServedSession(new PulledCard(session), this.#turns, { share, owed: 0 });
      },
      () => {}, // its calls are told the same
    );
    return new ReturnCodeError("SCardConnect", this.#without);
  }

  async #connect(
    call: string,
    { share, protocols }: ConnectHow,
    { signal, owed = 0 }: { readonly signal: AbortSignal; readonly owed?: number },
  ): Promise<Answer> {
    this.#isConnecting = true;
    try {
      const how = { share, protocols, principal: this.#principal };
      const { session, activeProtocol } = await this.#service.connect(this.reader, how, { signal });
      this.#session = new ServedSession(session, this.#turns, { share, owed });
      this.#owed = undefined;
      return { protocol: activeProtocol };
    } catch (error) {
      if (error instanceof ReturnCodeError || !signal.aborted) throw error;
      throw new ReturnCodeError(call, Rv.Cancelled, { cause: error });
    } finally {
      this.#isConnecting = false;
    }
  }
}

/**
 * Whether the card of a program that went on as if it were connected has gone meanwhile. Of one that goes in this moment
 * pcscd can also say that its protocol is another (seen with 1.9.9).
 */
const isPulled = (error: unknown): boolean =>
  [Rv.NoSmartcard, Rv.ProtoMismatch].some((rv) => rv === codeOf(error));

const codeOf = (error: unknown): number =>
  error instanceof ReturnCodeError ? error.rv : Rv.ReaderUnavailable;
