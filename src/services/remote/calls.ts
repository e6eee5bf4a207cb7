import { type Deferred, deferred } from "../../domain/deferred.ts";
import { type CardwireError, ReturnCodeError } from "../../domain/errors.ts";
import { isReturnCode, Rv } from "../../domain/return-codes.ts";
import type { LinkEnd, SessionFrame } from "../../link/end.ts";
import { decodeAnswers } from "../../wire/link/answers.ts";
import { type Body, type CallType, Flag, type Frame, Type } from "../../wire/link/frames.ts";

/** What a call wants of its frame: the rest is filled in. */
export type CallBody<T extends CallType> = Omit<Body<T>, "call" | "flags">;

export interface Answered {
  readonly protocol: number;
  readonly data: Uint8Array;
  /** What was fetched ahead of its being asked for. */
  readonly ahead: readonly Uint8Array[];
}

/** Thrown to whoever waits for an answer when the session that would bring it is over. */
export class LinkLost extends Error {}

interface Pending {
  readonly name: string;
  readonly answered: Deferred<Answered>;
}

/** The calls of one session of the link: each gets its answer, or hears that there will be none. */
export class Calls {
  readonly #end: LinkEnd;
  readonly #pending = new Map<number, Pending>();
  #number = 0;
  #lost: CardwireError | undefined;

  constructor(end: LinkEnd) {
    this.#end = end;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Calls without an answer so far. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Whether the link has its connection: what was pushed is then as new as the line allows. */
  get isUp(): boolean {
    return this.#end.isUp && !this.isLost;
  }

  /**
   * Makes a call and resolves with what it came to.
   *
   * @param flags of {@link Flag}, and what goes with them.
   * @throws {ReturnCodeError} as the other end says.
   * @throws {LinkLost} when its answer will never come: nobody knows whether it was carried out.
   */
  async call<T extends CallType>(
    name: string,
    type: T,
    body: CallBody<T>,
    { flags = 0, tail }: { readonly flags?: number; readonly tail?: Uint8Array } = {},
  ): Promise<Answered> {
    if (this.#lost) throw new LinkLost(this.#lost.message);
    this.#number = (this.#number % 0xffff_fffe) + 1;
    const call = this.#number;
    const answered = deferred<Answered>();
    this.#pending.set(call, { name, answered });
    const soon = (flags & Flag.Early) !== 0;
    this.#end.send(type, numbered(body, call, flags), tail, { soon });
    return await answered.promise;
  }

  /** Makes a call whose answer carries no news. */
  tell<T extends CallType>(type: T, body: CallBody<T>): void {
    if (this.#lost) return;
    this.#end.send(type, numbered(body, 0, Flag.Early), undefined, { soon: true });
  }

  /** Gives up the connect or begin that a handle waits for. */
  cancel(card: number): void {
    if (!this.#lost) this.#end.send(Type.Cancel, { card, call: 0, flags: 0 });
  }

  watch(on: boolean): void {
    if (!this.#lost) this.#end.send(Type.Watch, { on: on ? 1 : 0 });
  }

  /** An answer came. @throws {ProtocolError} when it makes no sense. */
  answer({ body, tail }: Extract<SessionFrame, Frame<typeof Type.Result>>): void {
    const pending = this.#pending.get(body.call);
    if (!pending) return; // of one that nobody waits for any more
    const { rv, protocol } = body;
    if (rv === Rv.Success) {
      const whole = new Uint8Array(tail);
      const length = Math.max(0, whole.length - body.ahead);
      const ahead = decodeAnswers(whole.subarray(length));
      this.#pending.delete(body.call);
      pending.answered.resolve({ protocol, data: whole.subarray(0, length), ahead });
      return;
    }
    this.#pending.delete(body.call);
    const told = { activeProtocol: protocol, ...(body.length >= 0 && { length: body.length }) };
    const known = isReturnCode(rv) ? rv : Rv.CommError;
    pending.answered.reject(new ReturnCodeError(pending.name, known, told));
  }

  /** The session is over: no answer will come any more. */
  lose(reason: CardwireError): void {
    this.#lost = reason;
    for (const { answered } of this.#pending.values())
      answered.reject(new LinkLost(reason.message));
    this.#pending.clear();
  }
}

/** The body of a call, which was made for it: a copy would cost more than all else that is done here. */
function numbered<T extends CallType>(body: CallBody<T>, call: number, flags: number): Body<T> {
  return Object.assign(body, { call, flags }) as unknown as Body<T>;
}
