import type { CardSession } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { Desk, Neighbour } from "./desk.ts";
import { Fence } from "./fence.ts";
import { Grip, type Sharing } from "./grip.ts";
import { Hold } from "./hold.ts";
import type { Turn } from "./queue.ts";
import { endsLevels, isCode } from "./refused.ts";

/**
 * One handle on a card that several identities share. Whatever goes to the card has its turn in the queue: a
 * transaction, or a single command.
 */
export class ArbitratedSession implements CardSession, Neighbour {
  readonly identity: string;
  readonly #desk: Desk;
  readonly #inner: CardSession;
  readonly #grip: Grip;
  #hold: Hold | undefined;
  /** What every call is refused with until a reconnect. */
  #refusal: number | undefined;
  readonly #fence: Fence;
  #running: Promise<unknown> | undefined;
  /** While the transaction is being taken away. */
  #taking: Promise<void> | undefined;
  #isOver = false;
  readonly #life = new AbortController();

  constructor(
    inner: CardSession,
    desk: Desk,
    { identity, how }: { identity: string; how: Sharing },
  ) {
    this.identity = identity;
    this.#desk = desk;
    this.#inner = inner;
    this.#grip = new Grip(inner, desk, this, how);
    this.#fence = new Fence(desk, identity);
    desk.enter(this);
  }

  get isExclusive(): boolean {
    return this.#grip.isExclusive;
  }

  async isOut(): Promise<boolean> {
    return await this.#grip.isOut();
  }

  get overstays(): "idle" | "total" | undefined {
    return this.#grip.overstays(this.#desk.limits(this.identity));
  }

  async begin({ signal }: { signal: AbortSignal }): Promise<void> {
    const call = "SCardBeginTransaction";
    this.#check(call);
    if (this.#hold) return await this.#tracked(this.#beginAgain(this.#hold, signal));
    using either = firstSignal(signal, this.#life.signal);
    const turn = await this.#desk.take(this.identity, { call, ...either }, this.#grip);
    try {
      this.#check(call);
      await this.#grip.lock(either.signal, () => this.#check(call));
    } catch (error) {
      turn.give();
      throw error;
    }
    this.#hold = new Hold(turn, this.#desk, (why) => void this.take(why));
  }

  async end(disposition: number): Promise<void> {
    const call = "SCardEndTransaction";
    this.#check(call);
    if (!this.#hold) return await this.#endNothing(disposition);
    const isLast = disposition === Disposition.Leave && this.#hold.depth === 1;
    if (isLast && this.#grip.lingers()) return this.#release("ended");
    await this.#tracked(this.#endLevel(disposition));
  }

  async transmit(
    ...call: Parameters<CardSession["transmit"]>
  ): ReturnType<CardSession["transmit"]> {
    return await this.#send("SCardTransmit", () => this.#inner.transmit(...call));
  }

  async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    return await this.#send("SCardControl", () => this.#inner.control(code, data));
  }

  async status(): Promise<void> {
    this.#check("SCardStatus");
    await this.#inner.status().catch((error: unknown) => {
      if (!this.#grip.isQuiet(error)) throw error;
    });
  }

  async getAttribute(id: number): Promise<Uint8Array> {
    this.#check("SCardGetAttrib");
    return await this.#grip.quietly(() => this.#inner.getAttribute(id));
  }

  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    await this.#send("SCardSetAttrib", () => this.#inner.setAttribute(id, value));
  }

  async reconnect(how: Sharing, initialization: number): Promise<number> {
    await this.#taking;
    if (this.#hold) return await this.#tracked(this.#reconnect(how, initialization));
    await this.#grip.letGo();
    const turn = await this.#turn("SCardReconnect");
    const wasExclusive = this.#grip.isExclusive;
    try {
      const protocol = await this.#reconnect(how, initialization);
      // One level of the lock stays where exclusive access becomes shared (seen with pcscd 1.9.9).
      if (!this.#isOver && wasExclusive && how.share !== ShareMode.Exclusive) {
        this.#grip.isLocked = true;
        this.#hold = new Hold(turn, this.#desk, (why) => void this.take(why));
      }
      return protocol;
    } finally {
      if (!this.#hold) turn.give();
    }
  }

  async disconnect(disposition: number): Promise<void> {
    await this.#taking;
    const isNoNews = disposition === Disposition.Leave || this.#hold !== undefined;
    await this.#grip.letGo();
    const turn = isNoNews ? undefined : await this.#turn("SCardDisconnect");
    try {
      await this.#desk.resetting(this, disposition, () => this.#inner.disconnect(disposition));
      this.#leave();
    } finally {
      turn?.give();
    }
  }

  async abandon(): Promise<void> {
    this.#life.abort(new ReturnCodeError("SCardReleaseContext", Rv.Cancelled));
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#grip.letGo();
    const mayHaveReset = this.#grip.isLocked || this.#grip.isLocking;
    await this.#inner.abandon();
    // Whoever dies with the card leaves it reset, unless there is something that pcscd has not told him yet.
    if (mayHaveReset) this.#desk.mayHaveBeenReset(this, { wanted: true });
    await Promise.allSettled([this.#hold && this.#running, this.#taking]); // the card may still be at work
    this.#leave();
  }

  wasReset(wantedBy: string | undefined): void {
    this.#grip.wasReset(wantedBy);
  }

  wasMoved(): void {
    this.#grip.wasMoved();
    this.#release("ended");
  }

  async take(why: "idle" | "total" | "kick" | "lease"): Promise<void> {
    const hold = this.#hold;
    if ((!hold && !this.isExclusive) || this.#taking) return await this.#taking;
    this.#refusal = Rv.ResetCard;
    this.#desk.tell({ type: "taken", reader: this.#desk.reader, identity: this.identity, why });
    this.#taking = this.#takeAway(hold);
    await this.#taking;
    this.#taking = undefined;
  }

  async #takeAway(hold: Hold | undefined): Promise<void> {
    await this.#running?.catch(() => {}); // its caller is told
    if (this.#hold !== hold || this.#isOver) return;
    try {
      this.#refusal = await this.#grip.takeAway(hold?.depth ?? 0); // also where a reconnect was under way
    } catch {
      // Whatever is in the way, the lock ends with the handle.
      this.#refusal = Rv.ReaderUnavailable;
      await this.#inner.abandon();
    }
    this.#grip.isLocked = false;
    if (this.#hold === hold) this.#release("taken");
  }

  async endTenure(fence: number): Promise<void> {
    if (!this.#fence.isOf(fence)) return;
    if (this.#hold) await this.take("lease");
    else await this.#running?.catch(() => {}); // what is under way was sent in time
  }

  /** @throws {ReturnCodeError} why nothing of this handle's may reach the card. */
  #check(call: string): void {
    this.#life.signal.throwIfAborted();
    if (this.#fence.isBroken) this.#refusal ??= Rv.ResetCard;
    if (this.#refusal !== undefined) throw new ReturnCodeError(call, this.#refusal);
    if (this.#grip.loss !== undefined) throw new ReturnCodeError(call, this.#grip.loss);
  }

  /** Waits for its turn, for as long as its program lives. */
  async #turn(call: string): Promise<Turn> {
    return await this.#desk.take(this.identity, { call, signal: this.#life.signal }, this.#grip);
  }

  /** Sends something to the card, in the transaction or in a turn of its own. */
  async #send<T>(call: string, job: () => Promise<T>): Promise<T> {
    this.#check(call);
    if (this.#hold) return await this.#hold.during(() => this.#run(job));
    const turn = await this.#turn(call);
    try {
      this.#check(call);
      let isStale = false;
      if (!this.#desk.isHandOverDue(this.identity))
        try {
          return await this.#run(job);
        } catch (error) {
          if (!isCode(error, Rv.SharingViolation)) throw error;
          // What was decided about the command need not be true after the reset that comes now.
          isStale = this.#desk.isHandOverDue(this.identity);
        }
      await this.#grip.lock(this.#life.signal, () => this.#check(call));
      try {
        if (isStale) throw new ReturnCodeError(call, Rv.SharingViolation);
        return await this.#run(job);
      } finally {
        await this.#grip.unlock();
      }
    } finally {
      turn.give();
    }
  }

  async #run<T>(job: () => Promise<T>): Promise<T> {
    return await this.#tracked(this.#grip.send(job));
  }

  /** A call under way on the card: a transaction is not taken away in the middle of it. */
  async #tracked<T>(running: Promise<T>): Promise<T> {
    this.#running = running;
    return await running;
  }

  async #reconnect(how: Sharing, initialization: number): Promise<number> {
    const again = () => this.#grip.reconnect(how, initialization);
    const protocol = await this.#desk.resetting(this, initialization, again);
    this.#refusal = undefined;
    this.#fence.renew();
    return protocol;
  }

  async #beginAgain(hold: Hold, signal: AbortSignal): Promise<void> {
    await this.#grip.quietly(() => this.#inner.begin({ signal }));
    hold.depth += 1;
  }

  async #endLevel(disposition: number): Promise<void> {
    try {
      await this.#desk.resetting(this, disposition, () => this.#inner.end(disposition));
    } catch (error) {
      this.#levelEnds(endsLevels(error));
      throw error;
    }
    this.#levelEnds(1);
  }

  /** The end of a transaction that there is not: pcscd resets the card all the same. */
  async #endNothing(disposition: number): Promise<void> {
    await this.#grip.letGo();
    const end = () => this.#inner.end(disposition);
    if (disposition === Disposition.Leave) return await this.#grip.quietly(end);
    const turn = await this.#turn("SCardEndTransaction");
    try {
      await this.#desk.resetting(this, disposition, () => this.#grip.quietly(end));
    } finally {
      turn.give();
    }
  }

  #levelEnds(levels: number): void {
    const hold = this.#hold;
    if (!hold) return;
    hold.depth -= levels;
    if (hold.depth > 0) return;
    this.#grip.isLocked = false;
    this.#release("ended");
  }

  #release(how: "ended" | "taken"): void {
    const hold = this.#hold;
    this.#hold = undefined;
    hold?.release(how);
  }

  #leave(): void {
    this.#isOver = true;
    this.#grip.isLocked = false;
    this.#desk.leave(this);
    this.#release("ended");
  }
}
