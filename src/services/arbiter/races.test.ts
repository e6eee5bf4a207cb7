import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
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
import type { CardService, CardSession, Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, Protocol, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Watchable } from "../../domain/watchable.ts";
import type { PivState } from "../../software-cards/piv/state.ts";
import { ForwardingSession } from "../forwarding-session.ts";
import { SoftwareReaders } from "../software/service.ts";
import { withSessions } from "../with-sessions.ts";
import { Arbiter, type ArbiterOptions } from "./arbiter.ts";
import type { HandOverPolicy } from "./hand-over.ts";

// What ends, comes or is told in the middle of something else.

const NAME = "Card 00 00";
const PCI = { send: 2, receive: 2 };
const SHARED = { share: 2, protocols: 3 };
const IS_VERIFIED = hex("00200080");
const within = () => ({ signal: AbortSignal.timeout(5_000) });
const refused = (rv: number) => expect.objectContaining({ rv });

let state: PivState;
beforeAll(async () => {
  state = await provisioned();
});

async function scene({
  through = (inner) => inner,
  ...options
}: ArbiterOptions & { through?: (inner: CardService) => CardService } = {}) {
  const readers = new SoftwareReaders([NAME]);
  const card = new WatchedCard(state);
  await readers.insert(NAME, card);
  const arbiter = new Arbiter(acting(through(readers)), { lateMs: 0, ...options });
  card.leased = () => arbiter.attendance(NAME).lease?.identity;
  const connect = async (name: string): Promise<CardSession> =>
    (await arbiter.connect(NAME, { ...SHARED, principal: { name } }, within())).session;
  const local = async (share: number = ShareMode.Shared): Promise<CardSession> => {
    const how = { ...SHARED, share, principal: { name: LOCAL } };
    return (await readers.connect(NAME, how, within())).session;
  };
  const close = () => arbiter[Symbol.asyncDispose]();
  return { readers, card, arbiter, connect, local, [Symbol.asyncDispose]: close };
}

/** `inner` as pcscd shows it: the list is old until it is freed. */
class Late {
  readonly #shown: Watchable<readonly Reader[]>;
  readonly service: CardService;

  constructor(inner: CardService) {
    const shown = new Watchable(inner.readers);
    this.#shown = shown;
    this.service = {
      get readers() {
        return shown.value;
      },
      watch: (options) => shown.follow(options),
      connect: (...call) => inner.connect(...call),
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
  }

  tell({ readers }: CardService): void {
    this.#shown.set(readers);
  }
}

/** A card that answers after a moment. */
class Slow extends ForwardingSession {
  override async transmit(...call: Parameters<CardSession["transmit"]>) {
    await delay(30);
    return await super.transmit(...call);
  }

  override async begin(options: { signal: AbortSignal }): Promise<void> {
    await super.begin(options);
    await delay(30);
  }
}
const slow = (inner: CardService) => withSessions(inner, (session) => new Slow(session));

test("a lease that ends takes nothing from the one that the same identity has by then", async () => {
  await using stage = await scene({ through: slow });
  const { arbiter, connect } = stage;
  const bob = await connect("bob");
  const options = { identity: "alice", forMs: 60_000 };
  const first = await arbiter.lease(NAME, options, within());
  const alice = await connect("alice");
  await alice.begin(within());
  const running = alice.transmit(SELECT, PCI);
  const ending = first.release("kick");
  const second = await arbiter.lease(NAME, options, within());
  await Promise.all([running, ending]);
  const sent = bob.transmit(SELECT, PCI);
  await delay(100);
  expect(arbiter.attendance(NAME).lease?.fence).toBe(second.fence);
  expect(stage.card.commands).toBe(1);
  await second.release();
  await sent;
  expect(stage.card.wrong).toEqual([]);
});

test("one who dies while his begin is answered leaves no turn behind", async () => {
  await using stage = await scene({ through: slow, policy: () => "shared" });
  const [alice, bob] = [await stage.connect("alice"), await stage.connect("bob")];
  const begun = alice.begin(within());
  await delay(5);
  await Promise.all([alice.abandon(), expect(begun).rejects.toThrow(refused(Rv.Cancelled))]);
  expect(stage.arbiter.attendance(NAME).holder).toBeUndefined();
  await bob.transmit(SELECT, PCI);
});

test("what waits for pcscd's lock when its lease ends never reaches the card", async () => {
  await using stage = await scene();
  const options = { identity: "alice", forMs: 60_000 };
  for (const what of ["transmit", "begin"] as const) {
    const lease = await stage.arbiter.lease(NAME, options, within());
    const alice = await stage.connect("alice");
    const local = await stage.local();
    await local.begin(within());
    const waits = what === "begin" ? alice.begin(within()) : alice.transmit(SELECT, PCI);
    const told = waits.catch((error: unknown) => error);
    await delay(30);
    await lease.release();
    await local.end(0);
    expect(await told).toEqual(refused(Rv.ResetCard));
    await local.disconnect(0);
    expect(stage.arbiter.attendance(NAME).holder).toBeUndefined();
  }
  expect(stage.card.commands).toBe(0);
});

test("whose card was taken away hears of it, also when the next card was reset for others since", async () => {
  await using stage = await scene();
  const bob = await stage.connect("bob");
  stage.readers.pull(NAME);
  await stage.readers.insert(NAME, new WatchedCard(state));
  await delay(1);
  for (const name of ["alice", "carol"]) await (await stage.connect(name)).transmit(SELECT, PCI);
  await expect(bob.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
});

test("news of another card that come late do not make it one that nobody used", async () => {
  const readers: { late?: Late } = {};
  await using stage = await scene({
    through: (inner) => {
      readers.late = new Late(inner);
      return readers.late.service;
    },
  });
  const [alice, bob] = [await stage.connect("alice"), await stage.connect("bob")];
  stage.readers.pull(NAME);
  await stage.readers.insert(NAME, stage.card);
  await alice.reconnect(SHARED, 0);
  await alice.transmit(SELECT, PCI);
  await alice.transmit(VERIFY, PCI);
  readers.late?.tell(stage.readers);
  await delay(5);
  await bob.reconnect(SHARED, 0);
  await bob.transmit(IS_VERIFIED, PCI);
  expect(stage.card.verified).toBe(1);
  expect(stage.card.wrong).toEqual([]);
});

test("who was kept away by a program of the card host knows that it was there, also where pcscd does not show it", async () => {
  await using stage = await scene({ through: (inner) => new Late(inner).service });
  const bob = await stage.connect("bob");
  await bob.transmit(SELECT, PCI);
  for (const waits of ["transmit", "begin"] as const) {
    const local = await stage.local();
    await local.begin(within());
    await actor.run(LOCAL, async () => {
      await local.transmit(SELECT, PCI);
      await local.transmit(VERIFY, PCI);
    });
    const waiting = waits === "begin" ? bob.begin(within()) : bob.transmit(IS_VERIFIED, PCI);
    const told = waiting.catch((error: unknown) => error);
    await delay(150);
    await local.end(0);
    await local.disconnect(0);
    expect(await told).toEqual(refused(Rv.ResetCard));
    await bob.reconnect(SHARED, 0);
    await bob.transmit(SELECT, PCI);
  }
  expect(stage.card.wrong).toEqual([]);
});

test("exclusive access is shown, can be kicked, and gives way when it is beyond the limits of its identity", async () => {
  await using stage = await scene({ limits: () => ({ idleMs: 500 }) });
  const { arbiter, connect } = stage;
  const alone = { ...SHARED, share: ShareMode.Exclusive };
  const how = { ...alone, principal: { name: "alice" } };
  const { session: alice } = await arbiter.connect(NAME, how, within());
  await alice.transmit(SELECT, PCI);
  expect(arbiter.attendance(NAME).holder).toBe("alice");
  await expect(connect("bob")).rejects.toThrow(refused(Rv.SharingViolation));
  await delay(550);
  await alice.transmit(SELECT, PCI); // nobody had wanted the card meanwhile
  await expect(connect("bob")).rejects.toThrow(refused(Rv.SharingViolation));
  await delay(550);
  const bob = await connect("bob");
  await expect(alice.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
  await expect(alice.reconnect(alone, 0)).rejects.toThrow(refused(Rv.SharingViolation));
  await bob.disconnect(0);
  await alice.reconnect(alone, 0);
  expect(await arbiter.kick(NAME)).toBe("alice");
  await expect(alice.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
  await (await connect("bob")).transmit(SELECT, PCI);
});

test("a lease waits for another's exclusive access, whose commands do not wait for the lease", async () => {
  await using stage = await scene();
  const how = { ...SHARED, share: ShareMode.Exclusive, principal: { name: "alice" } };
  const { session: alice } = await stage.arbiter.connect(NAME, how, within());
  const options = { identity: "bob", forMs: 60_000 };
  const lease = stage.arbiter.lease(NAME, options, within());
  await delay(20);
  await alice.transmit(SELECT, PCI);
  expect(stage.arbiter.attendance(NAME).lease).toBeUndefined();
  await alice.disconnect(0);
  await lease;
  await (await stage.connect("bob")).transmit(SELECT, PCI);
});

test("another policy finds in the card what was left under the one before", async () => {
  let policy: HandOverPolicy = "shared";
  await using stage = await scene({ policy: () => policy });
  const [alice, bob] = [await stage.connect("alice"), await stage.connect("bob")];
  await alice.transmit(SELECT, PCI);
  await alice.transmit(VERIFY, PCI);
  await bob.transmit(SELECT, PCI);
  expect(stage.card.wrong).toHaveLength(1); // that is what `shared` means
  policy = "reset";
  await expect(bob.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
});

test("a card that comes ends no transaction on the empty reader; one that goes does", async () => {
  await using stage = await scene();
  const { arbiter, readers, connect } = stage;
  readers.pull(NAME);
  const how = { share: ShareMode.Direct, protocols: 3, principal: { name: "alice" } };
  const { session: alice } = await arbiter.connect(NAME, how, within());
  await alice.begin(within());
  await readers.insert(NAME, stage.card);
  await delay(5);
  expect(arbiter.attendance(NAME).holder).toBe("alice");
  readers.pull(NAME);
  await delay(5);
  expect(arbiter.attendance(NAME).holder).toBeUndefined();
  await readers.insert(NAME, stage.card);
  await (await connect("bob")).transmit(SELECT, PCI);
});

test.each([ShareMode.Shared, ShareMode.Exclusive])(
  "what a program of the card host verified that has gone again is nobody's, share mode %i",
  async (share) => {
    await using stage = await scene();
    const before = await stage.connect("alice");
    await before.transmit(SELECT, PCI);
    await before.disconnect(0);
    await delay(1);
    await actor.run(LOCAL, async () => {
      const local = await stage.local(share);
      await local.transmit(SELECT, PCI);
      await local.transmit(VERIFY, PCI);
      await local.disconnect(0);
    });
    await (await stage.connect("alice")).transmit(SELECT, PCI);
    expect(stage.card.verified).toBe(1);
    expect(stage.card.wrong).toEqual([]);
  },
);

/** What becomes of a card just before it is reset. */
const pulls: [what: string, move: (readers: SoftwareReaders) => unknown, code: number][] = [
  ["pulled", (readers) => readers.pull(NAME), Rv.NoSmartcard],
  [
    "exchanged",
    async (readers) => {
      readers.pull(NAME);
      await readers.insert(NAME, new WatchedCard(state));
    },
    0,
  ],
  [
    "exchanged for one of another protocol",
    async (readers) => {
      readers.pull(NAME);
      const process = () => Uint8Array.of(0x90, 0x00);
      await readers.insert(NAME, { atr: hex("3b00"), process, reset: () => {} });
    },
    Rv.ProtoMismatch,
  ],
];

/** A scene in which that happens once, before the next reset. */
async function moving(move: (readers: SoftwareReaders) => unknown) {
  let isNext = false;
  const stage: Awaited<ReturnType<typeof scene>> = await scene({
    through: (inner) =>
      withSessions(inner, (session) => {
        const reconnect: CardSession["reconnect"] = async (how, initialization) => {
          if (isNext && initialization === Disposition.Reset) {
            isNext = false;
            await move(stage.readers);
          }
          return await session.reconnect(how, initialization);
        };
        return Object.assign(new ForwardingSession(session), { reconnect });
      }),
  });
  const how = { ...T1, principal: { name: "alice" } };
  const { session: alice } = await stage.arbiter.connect(NAME, how, within());
  return { stage, alice, next: () => (isNext = true) };
}
const T1 = { share: ShareMode.Shared, protocols: 2 };

/** The program of a card that went can go on with the next one, and keeps it from nobody. */
async function mustRecover(
  { stage, alice }: Awaited<ReturnType<typeof moving>>,
  code: number,
): Promise<void> {
  expect(stage.arbiter.attendance(NAME).holder).toBeUndefined();
  for (const late of [alice.transmit(SELECT, PCI), alice.begin(within()), alice.status()])
    await expect(late).rejects.toThrow(refused(Rv.RemovedCard));
  const again = await alice.reconnect(T1, 0).catch((error: ReturnCodeError) => error.rv);
  expect(again).toBe(code === 0 ? 2 : code);
  stage.readers.pull(NAME);
  await stage.readers.insert(NAME, stage.card);
  await delay(1);
  const local = await stage.local();
  await local.begin(within());
  await local.disconnect(0);
  await alice.reconnect(T1, 0);
  const before = stage.card.commands;
  await alice.transmit(SELECT, PCI);
  expect(stage.card.commands).toBe(before + 1);
  expect(stage.card.wrong).toEqual([]);
}

describe.each(pulls)("whose card is %s", (_what, move, code) => {
  test.each(["transmit", "begin"] as const)(
    "while it is handed over to him is told so: %s",
    async (call) => {
      const scenery = await moving(move);
      const { stage, alice, next } = scenery;
      await using _stage = stage;
      await (await stage.connect("bob")).transmit(SELECT, PCI);
      next();
      const sent = call === "begin" ? alice.begin(within()) : alice.transmit(SELECT, PCI);
      await expect(sent).rejects.toThrow(refused(Rv.RemovedCard));
      expect(stage.card.commands).toBe(1);
      await mustRecover(scenery, code);
    },
  );

  test("while it is taken from him is told so, and can reconnect", async () => {
    const scenery = await moving(move);
    const { stage, alice, next } = scenery;
    await using _stage = stage;
    await alice.begin(within());
    await alice.begin(within());
    await alice.transmit(SELECT, PCI);
    next();
    expect(await stage.arbiter.kick(NAME)).toBe("alice");
    await mustRecover(scenery, code);
  });
});

test("a hand-over that is told meanwhile of somebody's reset keeps nobody off the card", async () => {
  let isNext = false;
  await using stage = await scene({
    through: (inner) =>
      withSessions(inner, (session) => {
        let levels = 0;
        let hasNotice = false;
        const tell = (): void => {
          if (hasNotice) throw new ReturnCodeError("", Rv.ResetCard);
        };
        const begin: CardSession["begin"] = async (options) => {
          if (isNext && levels === 1) [isNext, hasNotice] = [false, true];
          tell();
          await session.begin(options);
          levels += 1;
        };
        const end: CardSession["end"] = async (disposition) => {
          tell(); // before anything ends (protocol reference, section 5.5)
          await session.end(disposition);
          levels -= 1;
        };
        const reconnect: CardSession["reconnect"] = async (how, initialization) => {
          hasNotice = false;
          return await session.reconnect(how, initialization);
        };
        return Object.assign(new ForwardingSession(session), { begin, end, reconnect });
      }),
  });
  const alice = await stage.connect("alice");
  await (await stage.connect("bob")).transmit(SELECT, PCI);
  isNext = true;
  await expect(alice.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
  expect(isNext).toBe(false);
  const local = await stage.local();
  await local.begin(within());
  await local.disconnect(0);
  await expect(alice.transmit(SELECT, PCI)).rejects.toThrow(refused(Rv.ResetCard));
  await alice.reconnect(SHARED, 0);
  await alice.transmit(SELECT, PCI);
  expect(stage.card.wrong).toEqual([]);
});

test("a reset that a program is not to hear of stays so when another protocol is active since", async () => {
  await using stage = await scene();
  const connect = async (name: string, protocols: number): Promise<CardSession> => {
    const how = { share: ShareMode.Shared, protocols, principal: { name } };
    return (await stage.arbiter.connect(NAME, how, within())).session;
  };
  const alice = await connect("alice", Protocol.T1);
  const bob = await connect("bob", Protocol.Raw);
  const raw = { send: Protocol.Raw, receive: Protocol.Raw };
  await bob.transmit(SELECT, raw); // for which the card was reset
  await alice.begin(within());
  await alice.end(0);
  await alice.transmit(SELECT, PCI);
});
