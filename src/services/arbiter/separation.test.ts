import { setImmediate as tick } from "node:timers/promises";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import {
  acting,
  actor,
  hex,
  LOCAL,
  provisioned,
  SELECT,
  VERIFY,
  WatchedCard,
} from "../../../test/link/watched-card.ts";
import type { CardService, CardSession } from "../../domain/card-service.ts";
import { ShareMode } from "../../domain/pcsc.ts";
import type { PivState } from "../../software-cards/piv/state.ts";
import { SoftwareReaders } from "../software/service.ts";
import { Arbiter } from "./arbiter.ts";
import type { Lease } from "./lease.ts";
import type { VisitedCard } from "./visit.ts";

// Several identities, and a program that does not come through the arbiter, at a PIV card that remembers who verified
// its PIN: whatever they do, and whenever they die, nobody's command runs in a state that another one verified. Nor does
// one of our own, which come while nobody uses the card, and no other comes between these.

/** Set it to look for longer: SEPARATION_RUNS. */
const RUNS = Number(process.env["SEPARATION_RUNS"] ?? 60);
const NAME = "Card 00 00";
const IDENTITIES = ["alice", "bob", "carol"] as const;
const IS_VERIFIED = hex("00200080");
const SHARED = { share: ShareMode.Shared, protocols: 3 };
const PCI = { send: 2, receive: 2 };

let state: PivState;
beforeAll(async () => {
  state = await provisioned();
});

const moves = [
  "select",
  "verify",
  "look",
  "begin",
  "end",
  "end-reset",
  "reconnect",
  "reset",
] as const;
const deeds = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constantFrom(...moves), seat: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("leave", "die"), seat: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("lease", "release", "kick"), seat: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("move"), seat: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("visit"), seat: fc.constant(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("empty"), seat: fc.constant(6) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("verify", "leave", "alone"),
      seat: fc.constant(5),
    }),
  },
);

/** Six programs, two of each identity but for the last, which goes to the readers directly. */
class World {
  readonly card = new WatchedCard(state);
  readonly #readers = new SoftwareReaders([NAME]);
  readonly #arbiter: Arbiter;
  readonly #seats = new Map<number, CardSession>();
  readonly #life = new AbortController();
  readonly #busy = new Map<number, Promise<unknown>>();
  #lease: Lease | undefined;

  constructor() {
    const limits = () => ({ idleMs: 15, totalMs: 40 });
    this.#arbiter = new Arbiter(acting(this.#readers), { limits, lateMs: 0 });
    this.card.leased = () => this.#arbiter.attendance(NAME).lease?.identity;
  }

  async open(): Promise<void> {
    await this.#readers.insert(NAME, this.card);
  }

  /** Begins a deed, if that program is not in the middle of another one. */
  begin({ do: what, seat }: { do: string; seat: number }): void {
    if (this.#busy.has(seat)) return;
    const done = this.#do(what, seat).catch(() => {}); // it is refused, or waits in vain: that is as it should be
    this.#busy.set(seat, done);
    void done.then(() => this.#busy.delete(seat));
  }

  /** Whatever happened: everybody who comes now has his turn, the lease and the limits of the others over. */
  async mustGoOn(): Promise<void> {
    await this.#busy.get(5);
    await this.#seats.get(5)?.abandon(); // no limit holds for those who do not come through the arbiter
    const within = { signal: AbortSignal.timeout(5_000) };
    for (const name of IDENTITIES) {
      const how = { ...SHARED, principal: { name } };
      const { session } = await this.#arbiter.connect(NAME, how, within);
      // Another program of the same identity may have been the one who lost the card just now.
      await session.begin(within).catch(async () => {
        await session.reconnect(SHARED, 0);
        await session.begin(within);
      });
      await session.transmit(SELECT, PCI);
      await session.end(0);
      await session.disconnect(0);
    }
  }

  /** Everybody dies. */
  async close(): Promise<void> {
    this.#life.abort(new Error("over"));
    await Promise.all([...this.#seats.values()].map((session) => session.abandon()));
    await this.#lease?.release();
    await Promise.all(this.#busy.values());
    await this.#arbiter[Symbol.asyncDispose]();
  }

  async #do(what: string, seat: number): Promise<void> {
    const identity = seat === 5 ? LOCAL : (IDENTITIES[Math.floor(seat / 2)] ?? LOCAL);
    if (what === "lease") {
      const options = { identity, forMs: 20 };
      this.#lease = await this.#arbiter.lease(NAME, options, this.#life);
      return;
    }
    if (what === "release") return await this.#lease?.release();
    if (what === "kick") return void (await this.#arbiter.kick(NAME));
    if (what === "visit") return await this.#visit();
    if (what === "empty") return await this.#everybodyLeaves();
    if (what === "move") {
      this.#readers.pull(NAME);
      await this.#readers.insert(NAME, this.card);
      return;
    }
    if (what === "alone") return await this.#verifiesAlone();
    const session = this.#seats.get(seat) ?? (await this.#connect(seat, identity));
    if (what === "select") await this.#send(session, SELECT, identity);
    else if (what === "verify") {
      // As programs do: again from the beginning when they are told of a reset.
      await this.#send(session, SELECT, identity).catch(() => session.reconnect(SHARED, 0));
      await this.#send(session, SELECT, identity);
      await this.#send(session, VERIFY, identity);
    } else if (what === "look") await this.#send(session, IS_VERIFIED, identity);
    else if (what === "begin") await session.begin(this.#life);
    else if (what === "end") await session.end(0);
    else if (what === "end-reset") await session.end(1);
    else if (what === "reconnect") await session.reconnect(SHARED, 0);
    else if (what === "reset") await session.reconnect(SHARED, 1);
    else {
      this.#seats.delete(seat);
      await (what === "leave" ? session.disconnect(0) : session.abandon());
    }
  }

  /** A local program that has the card exclusively, and leaves it verified. */
  async #verifiesAlone(): Promise<void> {
    if (this.#seats.has(5)) return; // it would wait for its own transaction
    const how = { ...SHARED, share: ShareMode.Exclusive, principal: { name: LOCAL } };
    const { session } = await this.#readers.connect(NAME, how, this.#life);
    try {
      await this.#send(session, SELECT, LOCAL);
      await this.#send(session, VERIFY, LOCAL);
      await session.disconnect(0);
    } catch {
      await session.abandon(); // the card was pulled
    }
  }

  async #visit(): Promise<void> {
    const ask = async ({ transmit }: VisitedCard): Promise<void> => {
      await transmit(SELECT);
      await tick();
      await transmit(IS_VERIFIED);
    };
    await this.#arbiter.visit(NAME, ask, { signal: AbortSignal.timeout(20) });
  }

  /** Else one of them nearly always has a handle. */
  async #everybodyLeaves(): Promise<void> {
    const seats = [0, 1, 2, 3, 4].filter((seat) => this.#seats.has(seat) && !this.#busy.has(seat));
    for (const seat of seats) {
      this.begin({ do: "leave", seat });
      await this.#busy.get(seat);
    }
    await this.#visit();
  }

  async #send(session: CardSession, apdu: Uint8Array, identity: string): Promise<void> {
    const sent = () => session.transmit(apdu, PCI);
    await (identity === LOCAL ? actor.run(LOCAL, sent) : sent());
  }

  async #connect(seat: number, name: string): Promise<CardSession> {
    const service: CardService = name === LOCAL ? this.#readers : this.#arbiter;
    const how = { ...SHARED, principal: { name } };
    const { session } = await service.connect(NAME, how, this.#life);
    this.#seats.set(seat, session);
    return session;
  }
}

test(
  "property: nobody's command runs in a state that another one verified, or in another one's lease",
  async () => {
    const sum = { commands: 0, verified: 0, visits: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(deeds, { minLength: 20, maxLength: 150 }), async (all) => {
        const world = new World();
        await world.open();
        for (const deed of all) {
          world.begin(deed);
          await tick();
        }
        await world.mustGoOn();
        await world.close();
        sum.commands += world.card.commands;
        sum.verified += world.card.verified;
        sum.visits += world.card.visits;
        expect(world.card.wrong).toEqual([]);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    // Else it showed nothing.
    expect(sum.verified).toBeGreaterThan(RUNS);
    expect(sum.visits).toBeGreaterThan(RUNS / 2);
    expect(sum.commands).toBeGreaterThan(sum.verified);
  },
  120_000 + RUNS * 200,
);
