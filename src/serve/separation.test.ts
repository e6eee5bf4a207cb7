import { setTimeout as sleep } from "node:timers/promises";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { type Linked, linkTo } from "../../test/link/linked.ts";
import {
  acting,
  actor,
  LOCAL,
  provisioned,
  SELECT,
  VERIFY,
  WatchedCard,
} from "../../test/link/watched-card.ts";
import { noAudit } from "../audit/record.ts";
import type { CardSession } from "../domain/card-service.ts";
import { type Lease, withRenewal } from "../domain/leasing.ts";
import { ShareMode } from "../domain/pcsc.ts";
import { FEATURES } from "../link/versions.ts";
import { Arbiter } from "../services/arbiter/arbiter.ts";
import type { ArbiterEvent } from "../services/arbiter/events.ts";
import { Policy } from "../services/policy/policy.ts";
import { SoftwareReaders } from "../services/software/service.ts";
import type { PivState } from "../software-cards/piv/state.ts";
import { Allotment } from "./allotment.ts";
import { allotted } from "./allotted.ts";
import { Bursts } from "./bursts.ts";
import { DEFAULT_IDENTITY_LIMITS } from "./identity-limits.ts";
import { identityViews } from "./identity-views.ts";
import { arbitratedLeasing, type LeasingArbiter } from "./leasing.ts";

// As src/services/arbiter/separation.test.ts, through all that stands between a program and the card: each identity has a
// link, which breaks, for short and for too long; it leases the card, renews, gives back, is kicked, and comes too late.

/** Set it to look for longer: SEPARATION_RUNS. */
const RUNS = Number(process.env["SEPARATION_RUNS"] ?? 40);
const NAME = "Card 00 00";
const IDENTITIES = ["alice", "bob", "carol"] as const;
const SHARED = { share: ShareMode.Shared, protocols: 3 };
const PCI = { send: 2, receive: 2 };
/** A session and its transactions outlive a line for so long, ms. */
const PATIENCE = { graceMs: 40, lockMs: 20 };
/** Leases are of a second at least: here that many times less. */
const HASTE = 40;
/** Of the command that carries a number: its class and instruction. */
const MARKED = [0x80, 0xf0] as const;

let state: PivState;
beforeAll(async () => {
  state = await provisioned();
});

const moves = [
  "select",
  "verify",
  "verify",
  "verify",
  "mark",
  "mark",
  "begin",
  "end",
  "end-reset",
  "reconnect",
] as const;
const leases = ["lease", "lease", "release", "renew", "kick"] as const;
const lines = ["cut", "cut", "down", "up", "up", "hang-up"] as const;
const seat = fc.nat(5);
const deeds = fc.oneof(
  { weight: 14, arbitrary: fc.record({ do: fc.constantFrom(...moves), seat }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("leave", "die"), seat }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom(...leases), seat }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("tenant"), seat: fc.nat(4) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom(...lines), seat }) },
);

interface Seat {
  readonly session: CardSession;
  /** The lease that was in force from before its connect until after it. */
  fence: number | undefined;
}

/** Three identities with a link each, two programs on it, and one that goes to the readers directly. */
class World {
  readonly card = new WatchedCard(state);
  readonly #readers = new SoftwareReaders([NAME]);
  readonly #arbiter: Arbiter;
  readonly #links = new Map<string, Linked>();
  readonly #leases = new Map<string, Lease>();
  readonly #seats = new Map<number, Seat>();
  readonly #busy = new Map<string, Promise<unknown>>();
  readonly #life = new AbortController();
  readonly #isPipelined: boolean;
  /** The lease in force, as the record has it. */
  #inForce: { readonly identity: string; readonly fence: number } | undefined;
  #lastFence = 0;
  /** Under which lease each marked command was sent. */
  readonly #marks: (number | undefined)[] = [];
  marked = 0;
  /** Such commands whose lease was over when they were sent. */
  late = 0;
  leased = 0;
  lost = 0;

  constructor(isPipelined: boolean) {
    this.#isPipelined = isPipelined;
    this.#arbiter = new Arbiter(acting(this.#readers), {
      limits: () => ({ idleMs: 15, totalMs: 40 }),
      lateMs: 0,
      onEvent: (event) => this.#hear(event),
    });
    this.card.leased = () => this.#inForce?.identity;
    this.card.onCommand = (command) => this.#look(command);
  }

  get resumptions(): number {
    return [...this.#links.values()].reduce(
      (sum, { remote }) => sum + remote.figures.resumptions,
      0,
    );
  }

  async open(): Promise<void> {
    await this.#readers.insert(NAME, this.card);
    const policy = new Policy();
    const view = identityViews({ arbiter: this.#arbiter, policy, audit: noAudit });
    const leasing = arbitratedLeasing(hasty(this.#arbiter));
    for (const name of IDENTITIES) {
      const seen = view({ name }, { readers: [], profile: "manage" });
      const allotment = new Allotment(name, () => DEFAULT_IDENTITY_LIMITS, new Bursts());
      const link = await linkTo(allotted(seen, allotment), {
        name,
        leasing: leasing({ name }, seen),
        features: FEATURES,
        patience: PATIENCE,
        pipelining: this.#isPipelined,
      });
      this.#links.set(name, link);
    }
  }

  /** Begins a deed, if who would do it is not in the middle of another one. */
  begin({ do: what, seat: number }: { do: string; seat: number }): void {
    const identity = identityOf(number);
    const isOfLink = (leases as readonly string[]).includes(what);
    const who = isOfLink ? `${identity} ${what}` : String(number);
    const link = this.#links.get(identity);
    if (what === "cut") return link?.cut();
    if (what === "down" && link) return this.#down(link);
    if (what === "up" && link) link.isOpen = true;
    if ((lines as readonly string[]).includes(what) || this.#busy.has(who)) return;
    const done = this.#do(what, number).catch(() => {}); // it is refused, or waits in vain: that is as it should be
    this.#busy.set(who, done);
    void done.then(() => this.#busy.delete(who));
  }

  /** Whatever happened: everybody who comes now has his turn. */
  async mustGoOn(): Promise<void> {
    await this.#busy.get("5");
    await this.#seats.get(5)?.session.abandon(); // no limit holds for those who do not come through the arbiter
    for (const link of this.#links.values()) link.isOpen = true;
    for (const [name, { remote }] of this.#links) {
      const within = { signal: AbortSignal.timeout(10_000) };
      const how = { ...SHARED, principal: { name } };
      const done = await goesOn(async () => {
        const { session } = await remote.connect(NAME, how, within);
        try {
          await session.begin(within);
          await session.transmit(SELECT, PCI);
          await session.end(0);
        } finally {
          await session.disconnect(0).catch(() => {});
        }
      });
      if (done !== undefined) this.card.wrong.push(`${name} does not get on: ${done}`);
    }
  }

  /** Everybody dies. */
  async close(): Promise<void> {
    this.#life.abort(new Error("over"));
    for (const link of this.#links.values()) await link[Symbol.asyncDispose]();
    await this.#seats.get(5)?.session.abandon();
    await Promise.all(this.#busy.values());
    await this.#arbiter[Symbol.asyncDispose]();
  }

  #down(link: Linked): void {
    link.isOpen = false;
    link.cut();
  }

  #hear(event: ArbiterEvent): void {
    const { identity } = event;
    if (event.type === "lease") {
      if (this.#inForce) this.card.wrong.push(`${identity} and ${this.#inForce.identity} lease it`);
      if (event.fence <= this.#lastFence) this.card.wrong.push("a number that is not higher");
      this.#inForce = { identity, fence: event.fence };
      this.#lastFence = event.fence;
      this.leased += 1;
    } else if (event.type === "lease-ended") {
      this.#inForce = undefined;
      if (event.why !== "released") this.lost += 1;
    }
  }

  #look([cla, ins, high = 0, low = 0]: Uint8Array): void {
    if (cla !== MARKED[0] || ins !== MARKED[1]) return;
    const fence = this.#marks[high * 256 + low];
    if (fence === undefined) return;
    this.marked += 1;
    if (fence !== this.#inForce?.fence) this.card.wrong.push("a command of a lease that is over");
  }

  async #do(what: string, number: number): Promise<void> {
    const identity = identityOf(number);
    const link = this.#links.get(identity);
    if (what === "kick") return void (await this.#arbiter.kick(NAME));
    if (what === "lease") {
      const lease = await link?.remote.lease(
        NAME,
        { forMs: 1_000, wait: number % 2 === 0 },
        this.#life,
      );
      if (lease) this.#leases.set(identity, lease);
      return;
    }
    if (what === "release") return await this.#leases.get(identity)?.release();
    if (what === "renew") return await this.#leases.get(identity)?.renew(1_000);
    if (what === "tenant") return await this.#staysTooLong(number, identity);
    const taken = this.#seats.get(number) ?? (await this.#connect(number, identity));
    const { session } = taken;
    if (what === "select") await this.#send(session, SELECT, identity);
    else if (what === "mark") await this.#mark(taken, identity);
    else if (what === "verify") {
      // As programs do: again from the beginning when they are told of a reset.
      await this.#send(session, SELECT, identity).catch(() => this.#reconnect(taken, identity));
      await this.#send(session, SELECT, identity);
      await this.#send(session, VERIFY, identity);
    } else if (what === "begin") await session.begin(this.#life);
    else if (what === "end") await session.end(0);
    else if (what === "end-reset") await session.end(1);
    else if (what === "reconnect") await this.#reconnect(taken, identity);
    else {
      this.#seats.delete(number);
      await (what === "leave" ? session.disconnect(0) : session.abandon());
    }
  }

  /** Leases the card, connects, and goes on for longer than that lasts, whether he is told of it or not. */
  async #staysTooLong(number: number, identity: string): Promise<void> {
    await this.#do("lease", number).catch(() => {}); // another program of his may have it already
    await this.#seats.get(number)?.session.abandon();
    const taken = await this.#connect(number, identity);
    for (let n = 0; n < 8; n += 1) {
      await this.#mark(taken, identity).catch(() => {});
      await sleep(n);
    }
  }

  async #mark({ session, fence }: Seat, identity: string): Promise<void> {
    const mark = this.#marks.push(fence) - 1;
    if (fence !== undefined && fence !== this.#inForce?.fence) this.late += 1;
    await this.#send(session, Uint8Array.of(...MARKED, mark >> 8, mark & 0xff), identity);
  }

  async #reconnect(taken: Seat, identity: string): Promise<void> {
    taken.fence = undefined;
    const before = this.#fenceOf(identity);
    await taken.session.reconnect(SHARED, 0);
    taken.fence = before === this.#fenceOf(identity) ? before : undefined;
  }

  async #send(session: CardSession, apdu: Uint8Array, identity: string): Promise<void> {
    const sent = () => session.transmit(apdu, PCI);
    await (identity === LOCAL ? actor.run(LOCAL, sent) : sent());
  }

  async #connect(number: number, name: string): Promise<Seat> {
    const service = this.#links.get(name)?.remote ?? this.#readers;
    const before = this.#fenceOf(name);
    const { session } = await service.connect(NAME, { ...SHARED, principal: { name } }, this.#life);
    const taken = { session, fence: before === this.#fenceOf(name) ? before : undefined };
    this.#seats.set(number, taken);
    return taken;
  }

  /** With pipelining nobody knows when a connect is carried out. */
  #fenceOf(identity: string): number | undefined {
    const isHis = !this.#isPipelined && this.#inForce?.identity === identity;
    return isHis ? this.#inForce?.fence : undefined;
  }
}

const identityOf = (number: number): string =>
  number === 5 ? LOCAL : (IDENTITIES[Math.floor(number / 2)] ?? LOCAL);

/** An arbiter whose leases are over soon. */
const hasty = (arbiter: Arbiter): LeasingArbiter => ({
  get readers() {
    return arbiter.readers;
  },
  attendance: (reader) => arbiter.attendance(reader),
  lease: async (reader, wish, within) => {
    const lease = await arbiter.lease(reader, { ...wish, forMs: wish.forMs / HASTE }, within);
    return withRenewal(lease, (forMs) => lease.renew(forMs / HASTE));
  },
});

/** Tries until it is done, as programs do that are told of a reset. @returns what is in the way after all. */
async function goesOn(job: () => Promise<void>): Promise<string | undefined> {
  let why = "";
  for (let tries = 0; tries < 50; tries += 1) {
    try {
      await job();
      return undefined;
    } catch (error) {
      why = String(error);
      await sleep(10);
    }
  }
  return why;
}

test("property: over links that break, nobody's command runs in another's state or lease, or in one that is over", async () => {
  const sum = { commands: 0, verified: 0, marked: 0, late: 0, leased: 0, lost: 0, resumptions: 0 };
  const sequence = fc.array(deeds, { minLength: 20, maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(sequence, fc.boolean(), async (all, isPipelined) => {
      const world = new World(isPipelined);
      await world.open();
      for (const [number, deed] of all.entries()) {
        world.begin(deed);
        await sleep(number % 3);
      }
      await world.mustGoOn();
      sum.resumptions += world.resumptions;
      await world.close();
      sum.commands += world.card.commands;
      sum.verified += world.card.verified;
      sum.marked += world.marked;
      sum.late += world.late;
      sum.leased += world.leased;
      sum.lost += world.lost;
      expect(world.card.wrong).toEqual([]);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );

  // Else it showed nothing.
  expect(sum.verified).toBeGreaterThan(RUNS);
  for (const much of Object.values(sum)) expect(much).toBeGreaterThan(RUNS / 4);
}, 900_000);
