import { setTimeout as delay } from "node:timers/promises";
import type { CardSession, ConnectOptions } from "../../domain/card-service.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { Desk, Lingering, Neighbour } from "./desk.ts";
import { hush } from "./hush.ts";
import type { ArbiterLimits } from "./limits.ts";
import { isCode, isLockLost } from "./refused.ts";

/**
 * How long the lock is kept after a turn while programs that do not come through here have handles, ms. Else one who
 * verified his PIN would find the card reset at his next command, for they could have done anything in between.
 */
const LINGER_MS = 1_000;
/** Between two tries while a program that does not come through here holds the card, ms. pcscd waits 100 ms itself. */
const AGAIN_MS = 10;

export type Sharing = Pick<ConnectOptions, "share" | "protocols">;

/** One handle's hold on its card in pcscd: the lock there, and what a reset there means for this handle. */
export class Grip implements Lingering {
  readonly inner: CardSession;
  /** Whether pcscd's lock is ours, for a transaction or for one command. */
  isLocked = false;
  /** Whether it was asked for, and is not answered. */
  isLocking = false;
  /**
   * What every call is told until a reconnect, for no notice in pcscd says it: that the card was reset at a hand-over
   * although this handle had left something in it, or that it was taken out.
   */
  loss: number | undefined;
  readonly #own: Neighbour;
  readonly #desk: Desk;
  #how: Sharing;
  #linger: NodeJS.Timeout | undefined;
  /** Whether something was sent since the connect or the last reconnect, so that a reset takes something away. */
  #hasState = false;
  /** When it got the card for itself, where it has; and when it last sent something. */
  #aloneSince = performance.now();
  #usedAt = performance.now();
  /** Whether the card went away since then, and exclusive access with it. */
  #hasMoved = false;
  /** A reset notice that waits in pcscd, as far as we know: one that nobody is to hear of, or one that is told. */
  #notice: "none" | "quiet" | "told" = "none";

  /** @param own the session whose grip it is. */
  constructor(inner: CardSession, desk: Desk, own: Neighbour, how: Sharing) {
    this.inner = inner;
    this.#desk = desk;
    this.#own = own;
    this.#how = how;
  }

  /** Whether it has the card for itself. */
  get isExclusive(): boolean {
    return this.#how.share === ShareMode.Exclusive && !this.#hasMoved;
  }

  /** Why it has had the card for itself for too long, if it has. */
  overstays({ idleMs, totalMs }: ArbiterLimits): "idle" | "total" | undefined {
    if (!this.isExclusive) return undefined;
    const now = performance.now();
    if (idleMs > 0 && now - Math.max(this.#usedAt, this.#aloneSince) > idleMs) return "idle";
    return totalMs > 0 && now - this.#aloneSince > totalMs ? "total" : undefined;
  }

  /**
   * Gets pcscd's lock, and the card as this identity may find it. Its turn has come.
   *
   * @param check throws why the handle may not have it; asked once it has it, which can take long.
   * @throws what `check` does, which sees {@link loss}.
   */
  async lock(signal: AbortSignal, check: () => void): Promise<void> {
    if (this.#claim()) return; // nobody can have come between
    this.isLocking = true;
    await this.#begin(signal).finally(() => {
      this.isLocking = false;
    });
    this.isLocked = true;
    try {
      check();
      if (!this.#desk.isHandOverDue(this.#own.identity)) return;
      await this.#handOver(signal);
      check();
    } catch (error) {
      await this.#giveBack();
      throw error;
    }
  }

  async #begin(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await this.quietly(() => this.inner.begin({ signal }));
      } catch (error) {
        if (!isCode(error, Rv.SharingViolation)) throw error;
        this.#desk.isUncertain(); // a program that does not come through here has it
        await delay(AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  /** Gives the lock back, or keeps it for a moment. */
  async unlock(): Promise<void> {
    if (!this.lingers()) await this.#giveBack();
  }

  /** Whether the lock is kept for a moment after the turn that ends now. */
  lingers(): boolean {
    const isTold = this.#notice === "told"; // the end will say so, too
    if (!this.isLocked || !this.#hasState || isTold || !this.#desk.isExposed) return false;
    this.#desk.lingering = this;
    this.#linger = setTimeout(() => void this.letGo(), LINGER_MS);
    this.#linger.unref();
    return true;
  }

  async letGo(): Promise<void> {
    if (this.#claim()) await this.#giveBack();
  }

  /** Takes up the lock that was kept. @returns whether there was one. */
  #claim(): boolean {
    if (!this.#linger) return false;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#desk.lingering = undefined;
    return this.isLocked;
  }

  async #giveBack(): Promise<void> {
    this.isLocked = false;
    const end = () => this.inner.end(Disposition.Leave);
    const insist = async (error: unknown): Promise<void> => {
      if (!isCode(error, Rv.ResetCard)) return; // gone with the card, or with its handle
      // The notice of somebody's reset that was under way would keep it.
      if (!this.isQuiet(error)) this.loss ??= Rv.ResetCard;
      await hush(this.inner, this.#how);
      await end();
    };
    await end()
      .catch(insist)
      .catch(() => {});
  }

  /** Something is sent to the card. */
  async send<T>(job: () => Promise<T>): Promise<T> {
    const hadState = this.#hasState;
    this.#hasState = true;
    this.#usedAt = performance.now();
    this.#desk.uses(this.#own.identity);
    try {
      return await this.quietly(job);
    } catch (error) {
      if (isCode(error, Rv.SharingViolation)) {
        // Nothing was sent: a program that does not come through here has the card.
        this.#hasState = hadState;
        this.#desk.isUncertain();
      }
      throw error;
    }
  }

  /** A reset that this handle was not to hear of is no reason to refuse anything. */
  async quietly<T>(job: () => Promise<T>): Promise<T> {
    try {
      return await job();
    } catch (error) {
      if (!this.isQuiet(error)) {
        if (isCode(error, Rv.ResetCard) || isCode(error, Rv.RemovedCard)) this.#notice = "told";
        throw error;
      }
    }
    await hush(this.inner, this.#how);
    this.#notice = "none";
    return await job();
  }

  /** Whether this is the notice of a reset that this handle was not to hear of. */
  isQuiet(error: unknown): boolean {
    return this.#notice === "quiet" && isCode(error, Rv.ResetCard);
  }

  /** See {@link Neighbour.isOut}. */
  async isOut(): Promise<boolean> {
    try {
      await this.inner.status();
      return false;
    } catch (error) {
      if (isCode(error, Rv.SharingViolation)) return false;
      // That its card is gone it has to hear, also if a reset takes the place of that notice.
      if (!isCode(error, Rv.ResetCard)) this.#notice = "told";
      return true;
    }
  }

  /** @throws {ReturnCodeError} as SCardReconnect. */
  async reconnect({ share, protocols }: Sharing, initialization: number): Promise<number> {
    const how = { share, protocols };
    const protocol = await this.inner.reconnect(how, initialization);
    if (!this.isExclusive) this.#aloneSince = performance.now();
    this.#how = how;
    this.#notice = "none";
    this.loss = undefined;
    this.#hasState = false;
    this.#hasMoved = false;
    return protocol;
  }

  /**
   * Resets the card, and gives back so many levels of the lock, and exclusive access.
   *
   * @returns what the program is to be told.
   * @throws when pcscd's lock may still be this handle's.
   */
  async takeAway(levels: number): Promise<number> {
    // What exclusive access leaves is a level of the lock (seen with pcscd 1.9.9).
    const all = this.isExclusive ? levels + 1 : levels;
    if (this.isExclusive) this.#how = { ...this.#how, share: ShareMode.Shared };
    if (!(await this.#resetAndEnd(all))) return Rv.RemovedCard;
    this.#desk.wasReset(this.#own, { wanted: true });
    return Rv.ResetCard;
  }

  /**
   * The card was reset through another handle. One that had left nothing in it is not to hear of that, unless a program
   * of the same identity wanted it, as between programs at pcscd.
   */
  wasReset(wantedBy: string | undefined): void {
    if (this.#hasState || wantedBy === this.#own.identity) this.#notice = "told";
    else if (this.#notice === "none") this.#notice = "quiet";
  }

  /** The card went away, and the lock with it. */
  wasMoved(): void {
    this.#claim();
    this.#hasMoved = true;
    this.#notice = "told"; // also if a reset takes the place of that notice
    this.isLocked = false;
  }

  /**
   * Resets the card, and gives back so many levels of the lock. A card that goes takes the lock with it, and a reset takes
   * the place of that notice: only the end of what was begun before tells.
   *
   * @returns whether it was the same card all the time. Else nobody knows what became of the one that is there now.
   */
  async #resetAndEnd(levels: number): Promise<boolean> {
    try {
      await this.#reset();
      for (let level = 0; level < levels; level += 1) await this.inner.end(Disposition.Leave);
      return true;
    } catch (error) {
      const wasEmpty = this.#how.share === ShareMode.Direct && isCode(error, Rv.NoSmartcard);
      if (wasEmpty || !isLockLost(error)) throw error;
      this.#desk.isUncertain();
      return false;
    }
  }

  /**
   * With direct access pcscd negotiates no protocol (protocol reference, section 5.6), and a command would be refused for
   * want of the one that there was.
   */
  async #reset(): Promise<void> {
    const { protocol } = this.#desk;
    try {
      await this.inner.reconnect(this.#how, Disposition.Reset);
    } catch (error) {
      if (!isCode(error, Rv.ProtoMismatch)) throw error;
      // It was reset before that, and the notice would keep the lock from being given back.
      return await hush(this.inner, this.#how);
    }
    if (this.#how.share !== ShareMode.Direct || protocol === 0) return;
    const shared = { share: ShareMode.Shared, protocols: protocol };
    await this.inner.reconnect(shared, Disposition.Leave);
    await this.inner.reconnect(this.#how, Disposition.Leave);
  }

  /** Resets the card under the lock, and keeps that. @returns as {@link #resetAndEnd}. */
  async #resetAlone(signal: AbortSignal): Promise<boolean> {
    await this.inner.begin({ signal });
    try {
      return await this.#resetAndEnd(1);
    } catch (error) {
      await this.#giveBack();
      throw error;
    }
  }

  async #handOver(signal: AbortSignal): Promise<void> {
    const { reader, lastUser: from, hasCard } = this.#desk;
    const start = performance.now();
    const isSame = !hasCard || (await this.#resetAlone(signal));
    if (isSame) this.#desk.wasReset(this.#own, { wanted: false });
    if (!isSame || this.#hasState) this.loss = isSame ? Rv.ResetCard : Rv.RemovedCard;
    const ms = performance.now() - start;
    this.#desk.tell({ type: "hand-over", reader, identity: this.#own.identity, from, ms });
  }
}
