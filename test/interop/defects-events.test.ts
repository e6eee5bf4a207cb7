import { describe, expect, test } from "vitest";
import { Holdings } from "../../src/domain/holdings.ts";
import { seeded } from "../captures/random.ts";
import { client, type Simulated, simulated } from "../defects/sockets.ts";
import { suite } from "../lab/suites.ts";
import { here, type PcscClient, type Programs, SUCCESS } from "../pcsc/client.ts";
import { atr, cards, first, second } from "../replay/attached.ts";
import { rawClient } from "../replay/client.ts";
import { Cmd } from "../replay/commands.ts";
import { type ReplayDaemon, type Spot, startDaemon } from "../replay/daemon.ts";

// Defects of libpcsclite and pcscd that have to do with events: directly they show, through cardwire they do not. The
// daemons are simulated, since a real one does these things once in a thousand times, or needs a release that no
// Debian has any more; test/long/defects.test.ts provokes them with a real one.

const CANCELLED = "0x80100002";
const UNKNOWN_READER = "0x80100009";
const TIMED_OUT = "0x8010000a";
const UNSUPPORTED = "0x8010001f";

const generations: readonly (readonly [string, () => Programs])[] = [
  ["Debian 11", () => suite("bullseye")],
  ["this computer", () => here],
  ["Debian 13", () => suite("trixie")],
  ["Debian unstable", () => suite("sid")],
];

const now = { context: "a", readers: [[second, 0]] };

describe("2.5.x sends an event into the middle of an answer", () => {
  const cases: readonly (readonly [string, Spot, string, () => Programs])[] = [
    ["this computer's", "between records", UNKNOWN_READER, () => here],
    ["Debian 13's", "between records", UNKNOWN_READER, () => suite("trixie")],
    ["Debian unstable's", "between records", UNKNOWN_READER, () => suite("sid")],
    ["Debian unstable's", "before array", UNKNOWN_READER, () => suite("sid")],
    ["Debian unstable's", "before size", UNSUPPORTED, () => suite("sid")],
  ];

  test.each(cases)("directly: %s library, %s: %s", async (_, where, rv, programs) => {
    await using daemon = await startDaemon({ kind: "2.5.1", readers: cards });
    await using program = await client(daemon.path, { programs: programs() });
    await program.must("list", { context: "a" });
    for (let times = 0; times < 3; times++) {
      sendOnce(daemon, where);
      expect(await program.call("change", now)).toMatchObject({ rv });
      daemon.between = undefined;
      await program.must("change", now);
    }
  });

  const sendOnce = (daemon: ReplayDaemon, where: Spot): void => {
    daemon.between = (spot) => {
      if (spot !== where) return;
      daemon.between = undefined;
      daemon.event();
    };
  };

  test.each(generations)("through cardwire to %s: nothing of it", async (_, programs) => {
    await using both = await simulated({ kind: "2.5.1" });
    const { daemon } = both;
    await using program = await client(both.through, { programs: programs() });
    await program.must("list", { context: "a" });
    const places: readonly Spot[] = ["before size", "before array", "between records"];
    for (const [times, where] of [...places, ...places, ...places].entries()) {
      sendOnce(daemon, where);
      if (times % 2 === 0) daemon.pull(second);
      else daemon.insert(second, atr);
      const during = program.must("change", now);
      await daemon.until(() => daemon.between === undefined);
      await during;
      await both.follow();
      const { states } = await program.must("change", now);
      const counter = daemon.readers[1]?.eventCounter;
      expect(states).toMatchObject([{ counter, event: times % 2 === 0 ? 0x12 : 0x22 }]);
    }
  });
});

describe("an event with another result than 0 and cancelled", () => {
  /** A wait, begun for certain, for a card that is there to go. */
  async function waits(socket: string, daemon: ReplayDaemon, programs: Programs) {
    const program = await client(socket, { programs });
    await program.must("list", { context: "a" });
    const { states } = await program.must("change", now);
    const [{ counter }] = states as [{ counter: number }];
    const count = daemon.asked(Cmd.Wait).length + 1;
    const readers = [[second, counter * 0x10000 + 0x20]];
    const ended = program.call("change", { context: "a", readers, timeout: 60_000 });
    return { program, ended, count };
  }

  const removeWith = (daemon: ReplayDaemon, rv: number): void => {
    daemon.slot(second)?.pull();
    daemon.event(rv);
  };

  test.each(generations)(
    "directly: %s sends STOP, and waits for ever for the answer",
    async (_, programs) => {
      await using daemon = await startDaemon({ kind: "2.4.1", readers: cards });
      const { program, ended, count } = await waits(daemon.path, daemon, programs());
      await using _program = program;
      let isOver = false;
      const over = ended.then(
        () => {
          isOver = true;
        },
        () => {}, // it is killed
      );
      await daemon.untilAsked(Cmd.Wait, { count });
      const stops = daemon.asked(Cmd.Stop).length;
      removeWith(daemon, 0x80100017);
      await daemon.untilAsked(Cmd.Stop, { count: stops + 1 });
      for (let exchanges = 0; exchanges < 20; exchanges++) {
        using other = await rawClient(daemon.path);
        await other.version();
      }
      expect(isOver).toBe(false);
      await program.die();
      await over;
    },
  );

  test.each(generations)("through cardwire: %s hears of the card", async (_, programs) => {
    await using both = await simulated({ kind: "2.4.1" });
    const { program, ended } = await waits(both.through, both.daemon, programs());
    await using _program = program;
    removeWith(both.daemon, 0x80100017);
    expect(await ended).toMatchObject({ rv: SUCCESS, states: [{ event: 0x12 }] });
  });
});

describe("up to 1.8.18 STOP is answered behind the event, too", () => {
  // No Debian has a library or a daemon of that time any more: both ends are written by hand.
  const waitAndStop = async (socket: string, daemon: ReplayDaemon) => {
    using raw = await rawClient(socket, { minor: 3 });
    await raw.establish();
    await raw.readers();
    await raw.wait();
    await raw.version(); // by its answer the wait has begun
    daemon.pull(first);
    await raw.event();
    raw.stop();
    return await raw.version();
  };

  test("directly: the next answer is taken for another one", async () => {
    await using daemon = await startDaemon({ kind: "1.8.18", readers: cards });
    expect(await waitAndStop(daemon.path, daemon)).not.toEqual({ major: 4, minor: 3, rv: 0 });
  });

  test("through cardwire: it is not", async () => {
    await using both = await simulated({ kind: "1.8.18" });
    expect(await waitAndStop(both.through, both.daemon)).toEqual({ major: 4, minor: 3, rv: 0 });
  });
});

describe("a storm of events, cancellations and time-outs", () => {
  /** Cards come and go, and events fall into the answers, until `calm`. */
  async function storm({ daemon }: Simulated, random: () => number, calm: () => boolean) {
    daemon.between = () => {
      if (random() < 0.2) daemon.event();
    };
    while (!calm()) {
      if (daemon.slot(second)?.reader.atr) daemon.pull(second);
      else daemon.insert(second, atr);
      using other = await rawClient(daemon.path);
      await other.version();
    }
    daemon.between = undefined;
  }

  test.each([2, 3, 4, 5, 6])("gives 4:%i one message for each wait", async (minor) => {
    const random = seeded(minor);
    await using both = await simulated({ kind: "2.5.1" });
    using raw = await rawClient(both.through, { minor });
    const context = await raw.establish();
    await raw.readers();
    let rounds = 0;
    const blowing = storm(both, random, () => rounds >= 150);
    for (; rounds < 150; rounds++) {
      await raw.wait();
      const canceller = random() < 0.5 ? await rawClient(both.through) : undefined;
      canceller?.send(Cmd.Cancel, canceller.words(context, 0));
      if (random() < 0.5) await canceller?.takeWords(2);
      raw.stop();
      expect([0, 0x80100002]).toContain(await raw.event());
      expect(await raw.version()).toEqual({ major: 4, minor, rv: 0 });
      canceller?.[Symbol.dispose]();
    }
    await blowing;
  });

  /** Waits until a card changes, until it is cancelled, or until its time is over. @returns how they ended. */
  async function waits(
    program: PcscClient,
    random: () => number,
    rounds: number,
  ): Promise<ReadonlySet<string>> {
    const ends = new Set<string>();
    const still = [first, 0x10020];
    for (let round = 0; round < rounds; round++) {
      const [{ counter }] = (await program.must("change", now))["states"] as [{ counter: number }];
      const moving = [second, counter * 0x10000 + (random() < 0.5 ? 0x10 : 0x20)];
      const readers = [["pnp", 0], still, ...(random() < 0.5 ? [moving] : [])];
      const forever = random() < 0.3;
      const timeout = forever ? 60_000 : Math.floor(random() * 20);
      const over = new AbortController();
      const wait = program
        .call("change", { context: "a", readers, timeout })
        .finally(() => over.abort());
      if (forever || random() < 0.3)
        // Again and again, since one that has not begun is not cancelled.
        while (!over.signal.aborted) await program.must("cancel", { context: "a" });
      ends.add((await wait).rv);
    }
    return ends;
  }

  /** That everything is in step: every call gives what it has to. */
  async function isWell(program: PcscClient, { daemon }: Simulated): Promise<void> {
    const a = { context: "a" };
    expect(await program.must("list", a)).toMatchObject({ readers: cards.map(({ name }) => name) });
    const { states } = await program.must("change", now);
    const counter = daemon.readers[1]?.eventCounter ?? 0;
    expect(states).toMatchObject([{ counter }]);
    const known = [[second, counter * 0x10000 + (daemon.slot(second)?.reader.atr ? 0x20 : 0x10)]];
    const late = await program.call("change", { ...a, readers: known, timeout: 1 });
    expect(late).toMatchObject({ rv: TIMED_OUT });
    await program.must("connect", { ...a, card: "c", reader: first });
    expect(await program.must("status", { card: "c" })).toMatchObject({ reader: first });
    await program.must("begin", { card: "c" });
    const answer = await program.must("transmit", { card: "c", apdu: "00a40000" });
    expect(answer).toMatchObject({ answer: "00a400009000" });
    await program.must("end", { card: "c" });
    await program.must("disconnect", { card: "c" });
  }

  test("leaves every generation in step", async () => {
    const random = seeded(7);
    await using both = await simulated({ kind: "2.5.1" });
    await using held = new Holdings();
    const all: PcscClient[] = [];
    for (const [, programs] of generations)
      all.push(held.hold(await client(both.through, { programs: programs() })));
    let left = all.length;
    const blowing = storm(both, random, () => left === 0);
    const ends = await Promise.all(
      all.map(async (program) => {
        try {
          return await waits(program, random, 40);
        } finally {
          left -= 1;
        }
      }),
    );
    await blowing;
    const kinds = new Set(ends.flatMap((one) => [...one]));
    expect([...kinds].toSorted()).toEqual([SUCCESS, CANCELLED, TIMED_OUT].toSorted());
    await both.follow();
    for (const program of all) await isWell(program, both);
  });
});
