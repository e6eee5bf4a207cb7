import type { CardService, CardSession } from "../../domain/card-service.ts";
import { CardwireError, ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { statusWordOf } from "../../wire/iso7816/status-word.ts";
import type { CardState } from "./card-state.ts";
import type { CommandView } from "./command-view.ts";
import { decide, decideCommand, type Request, type Verdict } from "./decide.ts";
import type { Policy, PolicyGrant } from "./policy.ts";
import type { Profile } from "./profiles.ts";
import type { Refusal } from "./refusal.ts";
import { barrier, namesSerial, type Rule, type Rules } from "./rule.ts";

export interface GateOptions {
  readonly policy: Policy;
  readonly state: CardState;
  readonly grant: PolicyGrant;
  /** Whose reader it is. */
  readonly service: CardService;
  readonly share: number;
}

/** What decides about the calls of one session, and takes note of what came of them. */
export class Gate {
  readonly state: CardState;
  #share: number;
  readonly #policy: Policy;
  readonly #grant: PolicyGrant;
  readonly #service: CardService;
  readonly #life = new AbortController();
  #inner: CardSession | undefined;
  /** How often the session has begun a transaction and not ended it; 0 where that is not certain. */
  #depth = 0;
  /** The same, where it is not certain: how often at most. */
  #mayBeDepth = 0;
  /** What a PIN pad is about to send, or has sent. */
  #atPad: { readonly verdict: Verdict; readonly wasNoTry: () => void } | undefined;
  /** The card was reset or removed, and the session is told so: what is known of it is not to be relied on. */
  #mustForget = false;
  #rules:
    | { readonly from: Rules; readonly version: number; readonly rules: readonly Rule[] }
    | undefined;

  constructor({ policy, state, grant, service, share }: GateOptions) {
    this.#policy = policy;
    this.state = state;
    this.#grant = grant;
    this.#service = service;
    this.#share = share;
  }

  get profile(): Profile {
    return this.#grant.profile;
  }

  /** Whether nothing can happen to the card between the judgement of a command and the command. */
  get hasCardAlone(): boolean {
    if (this.#depth > 0) return true;
    if (!this.#policy.runsAtOnce(this.state.reader, this.#grant.principal.name)) return false;
    return this.#isExclusive || !this.state.isShared;
  }

  get #isExclusive(): boolean {
    return this.#share === ShareMode.Exclusive;
  }

  /** The session below is there. */
  open(inner: CardSession): void {
    this.#inner = inner;
  }

  /** The session has ended. @param by how; one that died with the card in its hold leaves it reset. */
  close(by: "disconnect" | "death"): void {
    const { view } = this.state;
    if (by === "death") {
      if (this.#depth > 0 || this.#isExclusive) view.reset();
      else if (this.#mayBeDepth > 0) view.lost();
    }
    this.#life.abort(new CardwireError("E_CLOSED", "the session has ended"));
    this.state.leave(this);
  }

  begun(): void {
    if (this.#depth === 0) this.state.meet();
    this.#depth += 1;
    this.#mayBeDepth += 1;
  }

  ended(): void {
    this.#depth = Math.max(0, this.#depth - 1);
    this.#mayBeDepth = Math.max(0, this.#mayBeDepth - 1);
  }

  /** Does what resets the card, unless it fails. */
  async resetting<T>(reset: (inner: CardSession) => Promise<T>): Promise<T> {
    if (this.#depth > 0) this.state.view.lost(); // nobody is waited for, and what it fails of may have been after the reset
    return await this.state.resetting(() => this.run(reset));
  }

  /** It has reconnected. pcscd leaves it its transactions then, but an arbiter may have taken them away before. */
  reconnected(share: number): void {
    this.#depth = 0;
    // Where exclusive access becomes shared, a transaction stays (seen with pcscd 1.9.9).
    if (this.#isExclusive) this.#mayBeDepth = Math.max(1, this.#mayBeDepth);
    this.#share = share;
  }

  /** The rules that can concern the session now. */
  get rules(): readonly Rule[] {
    const { state } = this;
    state.look(this.#service.readers);
    const { value: from } = this.#policy.rules;
    const { version } = state;
    if (this.#rules?.from !== from || this.#rules.version !== version)
      this.#rules = { from, version, rules: this.#policy.rulesFor(this.#grant, state.shown) };
    return this.#rules.rules;
  }

  /** The rule that keeps the identity from all of the card, or from the reader while there is none in it. */
  get barrier(): Rule | undefined {
    const { rules, state } = this; // which looks at the reader
    if (state.shown.atr) return barrier(rules);
    return this.#policy.readerBarrier(this.#grant, state.reader);
  }

  /** Whether a rule that could be about the card wants a serial number, and nobody knows it. */
  get lacksSerial(): boolean {
    const { serial, shown } = this.state;
    return serial === undefined && namesSerial(this.#policy.rules.value, shown);
  }

  /** Resolves when what there is to know of the card's serial number is known. */
  async settle(): Promise<void> {
    await this.#policy.settle(this.state.reader, this.#life);
  }

  /** Tells of a refusal. @returns what to throw: `SCARD_W_SECURITY_VIOLATION`. */
  refuse(call: string, what: Omit<Refusal, "identity" | "reader" | "call">): ReturnCodeError {
    const { name: identity } = this.#grant.principal;
    this.#policy.onRefusal({ identity, reader: this.state.reader, call, ...what });
    return new ReturnCodeError(call, Rv.SecurityViolation);
  }

  /** Why the profile does not suffice, in words. */
  wants(profile: Profile): string {
    return `denied by the profile ${this.profile}; it takes the profile ${profile}`;
  }

  /** Carries out a call of the session below. */
  async run<T>(call: (inner: CardSession) => Promise<T>): Promise<T> {
    if (!this.#inner) throw new ReturnCodeError("SCardStatus", Rv.InvalidHandle);
    try {
      return await call(this.#inner);
    } catch (error) {
      if (hasCode(error, NOTICES)) this.#mustForget = true;
      // Whoever is told such a thing may not hold the card any more. Where he does, his commands become transactions in his.
      if (hasCode(error, NOT_HELD)) this.#depth = 0;
      throw error;
    }
  }

  /**
   * Something that is judged while nobody else can send a command. Where others could, it becomes a transaction of its
   * own.
   */
  alone<T>(call: string, act: () => Promise<T>): Promise<T> {
    if (this.#depth > 0) return act();
    if (!this.hasCardAlone) return this.#inTransaction(call, act);
    return this.state.follow(act()).catch((error: unknown) => {
      if (!hasCode(error, DENIED)) throw error;
      return this.#inTransaction(call, act); // nothing was sent
    });
  }

  async #inTransaction<T>(call: string, act: () => Promise<T>): Promise<T> {
    try {
      await this.run((inner) => inner.begin({ signal: this.#life.signal }));
    } catch (error) {
      throw error instanceof ReturnCodeError ? new ReturnCodeError(call, error.rv) : error;
    }
    this.begun();
    try {
      return await act();
    } finally {
      this.ended();
      // What becomes of it says nothing about the command.
      await this.#inner?.end(Disposition.Leave).catch(() => {});
    }
  }

  /** Decides about a command. Only in {@link alone}. */
  decide(apdu: Uint8Array): Verdict {
    return decide(this.#request(), apdu);
  }

  /** The same for a command into which the reader puts a PIN. */
  decideWithPin(command: CommandView): Verdict {
    return decideCommand(this.#request(), command, { isPinAdded: true });
  }

  /** Sends what was allowed, and learns from what it was answered. */
  async send<T>(
    { seen, selection }: Verdict,
    send: (inner: CardSession) => Promise<T>,
    answerIn: (answer: T) => Uint8Array,
  ): Promise<T> {
    const { view, guard, resets } = this.state;
    view.sending(seen.command, this);
    let answer: T;
    try {
      answer = await this.run(send);
    } catch (error) {
      view.lost();
      if (!hasCode(error, NOT_SENT)) guard.lost(seen, selection);
      throw error;
    }
    const bytes = answerIn(answer);
    // What a session that has ended left behind, or a reset that came in between, nobody knows.
    if (this.#life.signal.aborted || this.state.resets !== resets) view.lost();
    else view.answered(seen.command, bytes, this);
    guard.answered(seen, selection, statusWordOf(bytes));
    return answer;
  }

  /** Has a PIN pad begin with what was allowed: it may be a try from now on, whether somebody asks for its end or not. */
  async sendAtPad<T>(verdict: Verdict, send: (inner: CardSession) => Promise<T>): Promise<T> {
    const { seen, selection } = verdict;
    const answer = await this.send(verdict, send, () => NO_ANSWER);
    this.#atPad = { verdict, wasNoTry: this.state.guard.lost(seen, selection) };
    return answer;
  }

  /** Asks a PIN pad what came of that. @returns undefined where this session has begun nothing. */
  async answerAtPad(
    ask: (inner: CardSession) => Promise<Uint8Array>,
  ): Promise<Uint8Array | undefined> {
    if (!this.#atPad) return undefined;
    const { verdict, wasNoTry } = this.#atPad;
    this.#atPad = undefined;
    const answer = await this.run(ask);
    const [sw1 = 0, sw2 = 0] = answer.subarray(-2);
    if (sw1 === NOT_ENTERED) wasNoTry();
    this.state.guard.answered(verdict.seen, verdict.selection, sw1 * 0x100 + sw2);
    return answer;
  }

  #request(): Request {
    const { state, rules, profile } = this;
    if (this.#depth === 0) state.meet();
    if (this.#mustForget) state.view.reset();
    this.#mustForget = false;
    const { mayBlockCards = profile === "manage" } = this.#grant;
    const guard = mayBlockCards ? undefined : state.guard;
    return { sender: this, profile, rules, view: state.view, guard };
  }
}

const NO_ANSWER = new Uint8Array(0);
/** SW1 of a reader whose holder entered no PIN: too slow, cancelled, of a wrong length (PC/SC part 10, 2.5.3). */
const NOT_ENTERED = 0x64;
const DENIED: ReadonlySet<number> = new Set([Rv.SharingViolation]);
const NOTICES: ReadonlySet<number> = new Set([Rv.ResetCard, Rv.RemovedCard]);
const NOT_HELD: ReadonlySet<number> = new Set([
  ...NOTICES,
  Rv.SharingViolation,
  Rv.NotTransacted,
  Rv.ReaderUnavailable,
  Rv.NoSmartcard,
]);
/** Errors of commands that were certainly not sent. */
const NOT_SENT: ReadonlySet<number> = new Set([...NOTICES, Rv.SharingViolation, Rv.ProtoMismatch]);

const hasCode = (error: unknown, codes: ReadonlySet<number>): boolean =>
  error instanceof ReturnCodeError && codes.has(error.rv);
