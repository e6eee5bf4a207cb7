import { setTimeout as sleep } from "node:timers/promises";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import { withDefaults } from "../domain/with-defaults.ts";
import { emit } from "../observe/events.ts";
import { ARRIVALS_AT_ONCE, ARRIVALS_PER_SECOND, Arrivals } from "./arrivals.ts";
import { Bursts } from "./bursts.ts";
import { DEFAULT_IDENTITY_LIMITS, type IdentityLimits } from "./identity-limits.ts";
import { Pace } from "./pace.ts";

/** Who holds a card is slowed down only when he is so far ahead, ms: others wait for him. */
const HOLDER_AHEAD_MS = 2_000;

/** How much more than its bytes a call that waits takes in memory, roughly: mostly promises. */
const CALL_BYTES = 2_048;

/** Handles that were refused and not given up of which nobody has more who means it: each takes memory. */
const MANY_REFUSED = 1_000;

/** One link, as far as it takes memory. */
export interface Load {
  /** Answers that the other end may not have yet, bytes. */
  readonly unacknowledgedBytes: number;
  /** Handles that it has a number for: those that it has, and those that it was refused and did not give up. */
  readonly handles: number;
}

/** What one identity has, and may have. */
export class Allotment {
  readonly #identity: string;
  readonly #limits: () => IdentityLimits;
  readonly #bursts: Bursts;
  readonly #pace: Pace;
  readonly #links = new Set<Load>();
  #handles = 0;
  #waitingBytes = 0;

  /** @param limits asked each time. */
  constructor(identity: string, limits: () => IdentityLimits, bursts: Bursts) {
    this.#identity = identity;
    this.#limits = limits;
    this.#bursts = bursts;
    this.#pace = new Pace(limits().perSecond);
  }

  /** Whether it is as if he had never been here. */
  get isIdle(): boolean {
    const hasNothing = this.#links.size + this.#handles + this.#waitingBytes === 0;
    return hasNothing && this.#pace.isRested(performance.now());
  }

  /** Bytes of his that are kept here now. */
  get bytes(): number {
    let bytes = this.#waitingBytes;
    for (const { unacknowledgedBytes } of this.#links) bytes += unacknowledgedBytes;
    return bytes;
  }

  enter(link: Load): void {
    this.#links.add(link);
  }

  leave(link: Load): void {
    this.#links.delete(link);
  }

  /**
   * A handle more. @returns gives it back; the second time does nothing.
   *
   * @throws {ReturnCodeError} `SCARD_E_SERVER_TOO_BUSY` when there are too many.
   */
  takeHandle(): () => void {
    const { handles } = this.#limits();
    if (this.#handles >= handles) {
      this.#tell("handles", handles);
      throw new ReturnCodeError("SCardConnect", Rv.ServerTooBusy);
    }
    this.#handles += 1;
    let isHeld = true;
    return () => {
      if (isHeld) this.#handles -= 1;
      isHeld = false;
    };
  }

  /** Whether too many handles are kept for him: one that was refused is, until he gives it up. */
  get isCrowded(): boolean {
    const { handles } = this.#limits();
    let kept = 0;
    for (const link of this.#links) kept += link.handles;
    if (kept <= handles + MANY_REFUSED) return false;
    this.#tell("handles", handles);
    return true;
  }

  /** A call arrived. @param length of its data. @returns what it takes, for {@link answered}. */
  arrived(length: number): number {
    const bytes = length + CALL_BYTES;
    this.#waitingBytes += bytes;
    return bytes;
  }

  /** It does not wait any more. */
  answered(bytes: number): void {
    this.#waitingBytes -= bytes;
  }

  /** Whether there is more than may be. @param times how often as much. */
  isOver(times = 1): boolean {
    const { bytes } = this.#limits();
    if (this.bytes <= bytes * times) return false;
    this.#tell("bytes", bytes);
    return true;
  }

  /** @throws {ReturnCodeError} `SCARD_E_SERVER_TOO_BUSY` when no answer can be kept for him now. */
  checkBytes(call: string): void {
    if (this.isOver()) throw new ReturnCodeError(call, Rv.ServerTooBusy);
  }

  /**
   * Resolves when the next call may go to a card. Calls of one handle come one by one, so no more wait than there are
   * handles.
   *
   * @param isHolder whether others wait for him meanwhile.
   * @throws the signal's reason.
   */
  async pace({
    isHolder,
    signal,
  }: {
    readonly isHolder: boolean;
    readonly signal?: AbortSignal | undefined;
  }): Promise<void> {
    const { perSecond } = this.#limits();
    const aheadMs = this.#step(perSecond);
    const waitMs = aheadMs - (isHolder ? HOLDER_AHEAD_MS : 0);
    if (aheadMs > 0) this.#tell("commands a second", perSecond);
    if (waitMs <= 0) return;
    await sleep(waitMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
  }

  /** Counts a call that gives something back, and so is not slowed down. */
  count(): void {
    this.#step(this.#limits().perSecond);
  }

  #step(perSecond: number): number {
    this.#pace.perSecond = perSecond;
    return this.#pace.step(performance.now());
  }

  #tell(what: string, most: number): void {
    const identity = this.#identity;
    if (this.#bursts.begins(`${what} ${identity}`))
      emit("cardwire:limit", () => ({ identity, what, most }));
  }
}

/** The allotments of those who are here, or were a moment ago. */
export class Allotments {
  /** What an identity may have now. */
  readonly limitsOf: (identity: string) => IdentityLimits;
  readonly #bursts = new Bursts();
  readonly #arrivals = new Arrivals();
  readonly #of = new Map<string, Allotment>();

  /** @param limits asked each time; {@link DEFAULT_IDENTITY_LIMITS} for what it does not say. */
  constructor(limits: (identity: string) => Partial<IdentityLimits> = () => ({})) {
    this.limitsOf = withDefaults(DEFAULT_IDENTITY_LIMITS, limits);
  }

  /** How many identities are remembered. */
  get size(): number {
    return this.#of.size;
  }

  of(identity: string): Allotment {
    for (const [name, one] of this.#of) if (name !== identity && one.isIdle) this.#of.delete(name);
    const known = this.#of.get(identity);
    if (known) return known;
    const made = new Allotment(identity, () => this.limitsOf(identity), this.#bursts);
    this.#of.set(identity, made);
    return made;
  }

  /**
   * Somebody came who is let in, for a link, a new line for one, or a certificate.
   *
   * @returns whether he may just now: all his links at once may break twice.
   */
  mayCome(identity: string): boolean {
    const atOnce = Math.max(2 * this.limitsOf(identity).links, ARRIVALS_AT_ONCE);
    if (this.#arrivals.may(identity, atOnce)) return true;
    this.#tell(identity, "arrivals a second", ARRIVALS_PER_SECOND);
    return false;
  }

  /** Somebody wanted a link more than he may have. */
  refusedLink(identity: string): void {
    this.#tell(identity, "links", this.limitsOf(identity).links);
  }

  #tell(identity: string, what: string, most: number): void {
    if (this.#bursts.begins(`${what} ${identity}`))
      emit("cardwire:limit", () => ({ identity, what, most }));
  }
}
