import { setTimeout as delay } from "node:timers/promises";
import type { Outcome } from "../pcsc/client.ts";
import { Book, type Pending } from "./book.ts";
import { type Attempt, DIED } from "./clients.ts";
import {
  BLOCKED,
  isIntended,
  isReaders,
  isServed,
  mayAnnounce,
  normalized,
  succeeded,
} from "./compare.ts";
import {
  changesSharing,
  isContested,
  knowsSharing,
  mayRelease,
  maySwapUsers,
  resetsAgainAndAgain,
} from "./effects.ts";
import type { Call, Slot, Step } from "./step.ts";
import { makeWorld, type Way, type World } from "./world.ts";

// Two worlds in which the same is done at the same time: pcscd itself, and pcscd behind cardwire.

/** A call that has no answer after so long counts as blocked, ms. */
const BLOCKED_MS = 400;
/** How long the one world may take that has no answer yet where the other has one, ms. */
const PATIENCE_MS = 4_000;
/** How long pcscd may take to notice how many programs share a reader, or to take a card's power, ms: 0.4 and 0.8 s, and more on a busy computer. */
const SETTLING_MS = 2_500;
/** How often something is looked at that cannot be awaited, ms. */
const LOOK_MS = 30;
/** For pcscd to notice that a client died, ms. */
const DEATH_MS = 60;

const DIRECT: Way = { carrier: "none", options: [] };

/** Where the two worlds parted. */
export interface Difference {
  readonly what: string;
  readonly direct: string;
  readonly through: string;
}

/** What became of a step: its outcome, the same in both worlds. */
export interface Done {
  readonly step: Step;
  /** Undefined for a step that is no call, and for one that was blocked. */
  readonly outcome: Outcome | undefined;
  /** The places in the sequence of the calls that this step released, with their outcomes. */
  readonly released: readonly { readonly at: number; readonly outcome: Outcome }[];
  /** Whether what happens next is chance, in pcscd itself, so that a sequence has to end here. */
  readonly isChance: boolean;
}

/** Thrown where the worlds part. */
export class Parted extends Error {
  override readonly name = "Parted";
  readonly difference: Difference;

  constructor(difference: Difference) {
    super(difference.what);
    this.difference = difference;
  }
}

/** Thrown where all that was open is closed, and pcscd behind cardwire does not come to rest as pcscd itself does. */
export class Restless extends Error {
  override readonly name = "Restless";
}

type Both<T> = readonly [T, T];

export class Pair implements AsyncDisposable {
  readonly #worlds: Both<World>;
  readonly #mayDiffer: typeof isIntended;
  readonly #clients: number | undefined;
  readonly #fetches: boolean;
  /** Answers in this sequence that announced more. */
  #announced = 0;
  /** Whether a program waits in the one world alone, and is meant to: from there on the worlds differ. */
  #waits = false;
  book: Book;

  /**
   * @param way.mayDiffer says of a call that has two outcomes whether that is meant.
   * @param way.fetches whether what a card announces may be fetched before it is asked for.
   */
  constructor(
    worlds: Both<World>,
    way: { mayDiffer: typeof isIntended; clients: number | undefined; fetches: boolean },
  ) {
    this.#worlds = worlds;
    this.#mayDiffer = way.mayDiffer;
    this.#clients = way.clients;
    this.#fetches = way.fetches;
    this.book = new Book(way.clients);
  }

  /**
   * Brings both worlds to rest, where a sequence begins.
   *
   * @throws {Error} when one does not come to it; {@link Restless} when that is the one behind cardwire alone.
   */
  async rest(): Promise<void> {
    this.book = new Book(this.#clients);
    this.#announced = 0;
    this.#waits = false;
    const [direct, through] = await Promise.allSettled(this.#worlds.map((world) => world.rest()));
    if (direct?.status === "rejected") throw direct.reason;
    if (through?.status === "rejected") throw new Restless(String(through.reason));
  }

  /** Takes a step in both worlds, and all that comes of it. @throws {Parted} where they differ. */
  async take(step: Step, at: number): Promise<Done> {
    const contested = ([0, 1] as const).filter((slot) => isContested(step, slot, this.book));
    const outcome = step.do === "call" ? await this.#call(step, at) : await this.#happen(step);
    const swaps = maySwapUsers(step, this.book);
    const released = await this.#settle(step, contested, swaps);
    const isChance =
      this.#waits ||
      ((contested.length > 0 || swaps) && released.length > 0) ||
      (!outcome && resetsAgainAndAgain(step));
    if (step.do === "die" && !isChance) await this.#sharing();
    return { step, outcome, released, isChance };
  }

  /** What can be looked at when a sequence is over. @throws {Parted} where the worlds differ. */
  async finish(): Promise<void> {
    const [direct, through] = await this.#both((world) => world.commands());
    const more = through.reduce((sum, commands, slot) => sum + commands - (direct[slot] ?? 0), 0);
    // What was fetched ahead and never asked for is known to the card alone.
    if (this.#fetches && more > 0 && more <= this.#announced) return;
    this.#mustAgree("commands that each card was given", direct, through);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#both((world) => world[Symbol.asyncDispose]());
  }

  async #both<T>(action: (world: World) => Promise<T>): Promise<Both<T>> {
    const [direct, through] = this.#worlds;
    return await Promise.all([action(direct), action(through)]);
  }

  #mustAgree(what: string, direct: unknown, through: unknown): void {
    const shown = [JSON.stringify(direct), JSON.stringify(through)] as const;
    if (shown[0] !== shown[1]) throw new Parted({ what, direct: shown[0], through: shown[1] });
  }

  async #happen(step: Exclude<Step, Call>): Promise<undefined> {
    if (step.do === "pull") await this.#both((world) => world.pull(step.slot));
    if (step.do === "insert") await this.#both((world) => world.insert(step.slot, step.atr));
    if (step.do === "die") await this.#both((world) => world.clients.die(step.client));
    this.book.enter(step);
    // A card that comes back to handles that are still open is powered for a while, and then no longer.
    if (step.do === "insert" && this.book.sharing(step.slot) !== 0) await this.#idle(step.slot);
    if (step.do === "die") await delay(DEATH_MS);
  }

  async #call(step: Call, at: number): Promise<Outcome | undefined> {
    const slot = this.book.slotOf(step);
    if (step.call === "connect" && slot !== undefined && this.book.sharing(slot) === 0)
      await this.#idle(slot);
    const sharingIsSettled = step.call === "change" && knowsSharing(step);
    if (sharingIsSettled) await this.#sharing();
    const attempts = this.#worlds.map((world) => world.clients.call(step));
    await Promise.race([
      Promise.all(attempts.map(({ done }) => done)),
      delay(BLOCKED_MS, undefined, { ref: false }),
    ]);
    if (attempts.every(({ outcome }) => outcome === undefined)) {
      const kind = step.call === "change" ? "event" : "lock";
      this.book.pending.push({ step, at, kind, slot, attempts });
      return undefined;
    }
    return await this.#judged({ step, at, attempts }, sharingIsSettled);
  }

  /** The outcome of a call that was answered in one world at least, entered in the book. */
  async #judged(
    { step, at, attempts }: Pick<Pending, "step" | "at" | "attempts">,
    sharingIsSettled: boolean,
  ): Promise<Outcome> {
    const had = attempts[0]?.outcome;
    const mayWait = had !== undefined && this.#mayDiffer(step, [had, { rv: BLOCKED, ms: 0 }]);
    await Promise.race([
      Promise.all(attempts.map(({ done }) => done)),
      delay(mayWait ? BLOCKED_MS : PATIENCE_MS, undefined, { ref: false }),
    ]);
    const [direct, through] = attempts.map(({ outcome }, index) =>
      outcome === undefined
        ? undefined
        : normalized(
            step,
            { outcome, counters: this.#worlds[index]?.counters ?? [] },
            { sharingIsSettled },
          ),
    );
    const outcomes = attempts.map(({ outcome }) => outcome ?? { rv: BLOCKED, ms: 0 });
    const [first = { rv: "", ms: 0 }, second = first] = outcomes;
    this.#waits ||= second.rv === BLOCKED;
    if (direct !== through && !this.#mayDiffer(step, [first, second]))
      throw new Parted({
        what: `step ${at}`,
        direct: direct ?? "blocked",
        through: through ?? "blocked",
      });
    this.book.enter(step, first);
    if (mayAnnounce(step, first)) this.#announced += 1;
    return first;
  }

  /** The outcome in pcscd itself of a call that has one in both worlds, whatever it is. */
  async #answered({ at, attempts }: Pending): Promise<Outcome> {
    await Promise.race([
      Promise.all(attempts.map(({ done }) => done)),
      delay(PATIENCE_MS, undefined, { ref: false }),
    ]);
    const [direct, through] = attempts.map(({ outcome }) => outcome);
    const had = (outcome: Outcome | undefined): string => outcome?.rv ?? "blocked";
    if (direct && through) return direct;
    throw new Parted({ what: `step ${at}`, direct: had(direct), through: had(through) });
  }

  /** Waits for what a step may have released, and compares that. */
  async #settle(step: Step, contested: readonly Slot[], swaps: boolean): Promise<Done["released"]> {
    const { pending } = this.book;
    if (pending.length === 0) return [];
    if (changesSharing(step) && pending.some((one) => knowsSharing(one.step)))
      await this.#sharing();
    const crowded = ([0, 1] as const).filter((slot) => this.book.blockedOn(slot).length > 1);
    if (mayRelease(step)) {
      for (const slot of crowded) await this.#drain(slot);
      const end = performance.now() + BLOCKED_MS;
      while (performance.now() < end && pending.some((one) => !isOver(one))) await delay(LOOK_MS);
    }
    const released: { at: number; outcome: Outcome }[] = [];
    const answered = pending.filter(({ attempts }) => attempts.some(({ outcome }) => outcome));
    for (const one of answered) {
      const isChance = one.slot !== undefined && contested.includes(one.slot);
      const seen = one.attempts.find((attempt) => attempt.outcome)?.outcome;
      const mayDiffer = swaps && knowsSharing(one.step) ? seen : undefined;
      const outcome =
        mayDiffer ?? (isChance ? await this.#answered(one) : await this.#judged(one, false));
      pending.splice(pending.indexOf(one), 1);
      if (outcome.rv !== DIED) released.push({ at: one.at, outcome });
    }
    return released;
  }

  /**
   * Several are blocked on one reader. Who gets the lock first is a matter of chance, so in each world whoever gets it
   * gives it up at once, until nobody waits or nobody gets it.
   */
  async #drain(slot: Slot): Promise<void> {
    const blocked = this.book.blockedOn(slot);
    await Promise.all(
      this.#worlds.map(async (world, index) => {
        const left = new Map(
          blocked.map(({ step, attempts }) => [attempts[index] as Attempt, step] as const),
        );
        let end = performance.now() + 2 * BLOCKED_MS;
        while (left.size > 0 && performance.now() < end) {
          const over = [...left].find(([{ outcome }]) => outcome !== undefined);
          if (!over) {
            await delay(LOOK_MS);
            continue;
          }
          const [attempt, step] = over;
          left.delete(attempt);
          end = performance.now() + 2 * BLOCKED_MS;
          if (step.call !== "begin" || !attempt.outcome || !succeeded(attempt.outcome)) continue;
          const given = world.clients.call({
            ...step,
            call: "end",
            with: { ...step.with, disposition: 0 },
          });
          await given.done;
        }
      }),
    );
    // What was begun is ended again.
    for (const { step, attempts } of blocked) {
      if (step.call !== "begin" || !attempts[0]?.outcome || !succeeded(attempts[0].outcome))
        continue;
      const card = this.book.card(step.client, String(step.with["card"]));
      if (card) card.depth -= 1;
    }
  }

  /** Waits until pcscd has noticed in both worlds how many programs share each reader, and clients are shown it. */
  async #sharing(): Promise<void> {
    const expected = ([0, 1] as const).map((slot) => this.book.sharing(slot));
    const isExpected = (sharing: readonly number[]): boolean =>
      sharing.every((count, slot) => count === expected[slot]);
    const isShown = (sharing: readonly number[]): boolean =>
      sharing.every((count, slot) => Math.sign(count) === Math.sign(expected[slot] ?? 0));
    const end = performance.now() + SETTLING_MS;
    while (performance.now() < end) {
      const counts = await this.#both((world) => world.sharing());
      const shown = await this.#both((world) => world.shownSharing());
      if (counts.every(isExpected) && shown.every(isShown)) return;
      await delay(LOOK_MS);
    }
    const [direct, through] = await this.#both((world) => world.sharing());
    this.#mustAgree("how many programs share each reader", direct, through);
  }

  /** Waits until the card is idle in both worlds, which pcscd sees to a while after its last use. */
  async #idle(slot: Slot): Promise<void> {
    const end = performance.now() + SETTLING_MS;
    let idle: Both<boolean>;
    do {
      idle = await this.#both((world) => world.isIdle(slot));
      if (!idle.includes(false)) return;
      await delay(LOOK_MS);
    } while (performance.now() < end);
    this.#mustAgree("whether pcscd has taken the card's power", ...idle);
  }
}

/** Makes both worlds. @throws {Error} when one does not start; nothing is left then. */
export async function makePair(way: Way, name: string): Promise<Pair> {
  const { clients } = way;
  const made = await Promise.allSettled([
    makeWorld({ ...DIRECT, ...(clients !== undefined && { clients }) }, `${name}-direct`),
    makeWorld(way, name),
  ]);
  const worlds = made.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const [direct, through] = worlds;
  const mayDiffer = differences[way.carrier] ?? isIntended;
  const fetches = way.carrier === "agent" || way.carrier === "serve";
  if (direct && through) return new Pair([direct, through], { mayDiffer, clients, fetches });
  await Promise.all(worlds.map((world) => world[Symbol.asyncDispose]()));
  throw made.find((one) => one.status === "rejected")?.reason;
}

/** What is meant to differ, where that is more or less than what the ordinary ways have. */
const differences: Readonly<Partial<Record<Way["carrier"], typeof isIntended>>> = {
  software: isReaders,
  serve: isServed,
};

const isOver = ({ attempts }: Pending): boolean =>
  attempts.every(({ outcome }) => outcome !== undefined);
