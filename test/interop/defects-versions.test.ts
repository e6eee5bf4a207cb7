import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fakeReader } from "../../src/testing/index.ts";
import { dial } from "../../src/host/dial.ts";
import { client, type Simulated, simulated } from "../defects/sockets.ts";
import { atrs } from "../lab/card.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory, until } from "../lab/processes.ts";
import { run } from "../lab/programs.ts";
import { daemonOf, suite } from "../lab/suites.ts";
import { here, PcscClient, type Programs, SUCCESS } from "../pcsc/client.ts";
import { cards, first } from "../replay/attached.ts";
import { words } from "../replay/bytes.ts";
import { type RawClient, rawClient } from "../replay/client.ts";
import { Cmd, type Kind } from "../replay/commands.ts";
import { attach, using } from "./programs/cardwire.ts";

// Defects of libpcsclite and pcscd that have to do with versions and numbers of slots: directly they show, through
// cardwire they do not (docs/compatibility.md, "Defects of others that end at cardwire").

const NO_SERVICE = "0x8010001d";
const STOPPED = 0x8010001e;
const UNSUPPORTED = "0x8010001f";
const NO_MEMORY = "0x80100006";
const names = cards.map(({ name }) => name);

describe("2.5.x on an older pcscd, where a program waits before it lists", () => {
  const daemons: readonly (readonly [string, () => Promise<Pcscd>])[] = [
    ["this computer's", () => startPcscd()],
    ["Debian 13's", () => startPcscd(daemonOf(suite("trixie")))],
  ];

  test.each(daemons)("%s", async (_, startDaemon) => {
    await using pcscd = await startDaemon();
    await using attached = await attach([`unix:${pcscd.socketPath}`]);
    const [reader] = readerNames;

    const waits = async (socket: string) => {
      await using program = await client(socket, { programs: suite("sid") });
      const known = { context: "a", readers: [[reader, 0]] };
      return [await program.call("change", known), await program.call("list", { context: "a" })];
    };
    const [direct, afterwards] = await waits(pcscd.socketPath);
    expect(direct).toMatchObject({ rv: NO_SERVICE });
    expect(afterwards?.rv).not.toBe(SUCCESS);
    expect(await waits(attached.socket)).toMatchObject([
      { rv: SUCCESS, states: [{ atr: atrs.both }] },
      { rv: SUCCESS, readers: readerNames },
    ]);

    const [command, ...args] = suite("sid").program("pcsc_scan", ["-r"]);
    const scan = async (socket: string) =>
      (await run(command, args, { user: "alice", env: using(socket) })).stdout;
    expect(await scan(pcscd.socketPath)).toContain("No reader found");
    const seen = await scan(attached.socket);
    for (const name of readerNames) expect(seen).toContain(name);
  });
});

describe("a server that answers SERVICE_STOPPED to VERSION", () => {
  test("is asked again without end by 2.5.x", async () => {
    const rounds = 300;
    await using both = await simulated({ kind: "2.5.1" });
    const { daemon } = both;
    for (let count = 0; count < rounds; count++)
      daemon.twist(Cmd.Version, () => words("little", 4, 6, STOPPED));
    const before = daemon.asked(Cmd.Version).length;
    await using _program = await client(both.direct, { programs: suite("sid") });
    expect(daemon.asked(Cmd.Version).length - before).toBe(rounds + 1);
  });

  /** Every version there is, and what is none. */
  const offers: readonly (readonly [major: number, minor: number])[] = [
    ...Array.from({ length: 21 }, (_, minor) => [4, minor] as const),
    ...[0, 3, 5, 6, -1, 2 ** 31 - 1].map((major) => [major, 4] as const),
    ...[-1, -4, 255, 256, -(2 ** 31), 2 ** 31 - 1].map((minor) => [4, minor] as const),
  ];

  /** libpcsclite's part from 2.4.1 on (protocol reference, section 2.2), which must not be kept at it. */
  async function agree(socket: RawClient, offer: readonly [number, number]) {
    let [major, minor] = offer;
    for (let rounds = 1; ; rounds++) {
      const answer = await socket.ask(Cmd.Version, major, minor, 0);
      const rv = answer[2] ?? -1;
      [major = 0, minor = 0] = answer.map((word) => word | 0);
      if (rv !== STOPPED || major !== 4 || minor < 4 || rounds > 10) return { rounds, rv };
    }
  }

  /** How often it is answered so on one connection, on which everything is offered twice. */
  async function stops(socket: RawClient): Promise<number> {
    let count = 0;
    for (const [major, minor] of [...offers, ...offers.toReversed()])
      if ((await socket.ask(Cmd.Version, major, minor, 0))[2] === STOPPED) count += 1;
    return count;
  }

  interface State {
    readonly what: string;
    readonly enter: (both: Simulated) => Promise<AsyncDisposable | undefined>;
    /** What SCardEstablishContext says then. */
    readonly rv: string;
  }
  const states: readonly State[] = [
    { what: "as ever", enter: async () => undefined, rv: SUCCESS },
    {
      what: "while pcscd is away",
      rv: SUCCESS,
      enter: async ({ daemon }) => {
        await daemon.stop();
        return undefined;
      },
    },
    {
      what: "while pcscd hangs up on everybody, as where polkit denies",
      rv: SUCCESS,
      enter: async ({ daemon }) => {
        daemon.maxConnections = 0;
        daemon.hangUp();
        return undefined;
      },
    },
    { what: "while cardwire is full", enter: fill, rv: NO_MEMORY },
  ];

  test.each(states)("is not cardwire $what", async ({ enter, rv }) => {
    await using both = await simulated({ kind: "2.5.1" });
    await using _state = await enter(both);
    for (const offer of offers) {
      using socket = await rawClient(both.through);
      expect({ offer, ...(await agree(socket, offer)) }).toMatchObject({
        rounds: expect.toSatisfy((rounds: number) => rounds <= 2),
        rv: expect.toSatisfy((code: number) => code !== STOPPED),
      });
    }
    using socket = await rawClient(both.through);
    expect(await stops(socket)).toBeLessThanOrEqual(1);
    for (const programs of [suite("sid"), suite("trixie"), here]) {
      await using program = new PcscClient(both.through, { programs, user: "root" });
      expect(await program.call("establish", { context: "a" })).toMatchObject({ rv });
    }
  });

  /** As many applications as there may be. */
  async function fill(both: Simulated): Promise<AsyncDisposable> {
    const { signal } = new AbortController();
    const sockets: Socket[] = [];
    for (let count = 0; count < 2_000; count++) sockets.push(await dial(both.through, { signal }));
    await until("cardwire to be full", () => both.applications === sockets.length);
    return {
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy();
      },
    };
  }
});

test.each<[Kind]>([["1.8.24"]])("2.5.x is refused by %s for good", async (kind) => {
  await using both = await simulated({ kind });
  await using direct = new PcscClient(both.direct, { programs: suite("sid"), user: "root" });
  expect(await direct.call("establish", { context: "a" })).toMatchObject({ rv: NO_SERVICE });
  await using program = await client(both.through, { programs: suite("sid") });
  expect(await program.call("list", { context: "a" })).toMatchObject({ readers: names });
});

describe("a daemon with 48 slots, and libraries with 16", () => {
  const clients: readonly (readonly [string, Kind, () => Programs])[] = [
    ["Debian 11", "1.9.9", () => suite("bullseye")],
    ["this computer", "1.9.9", () => here],
    ["Debian 13", "2.3.3", () => suite("trixie")],
    ["Debian unstable", "2.4.1", () => suite("sid")],
  ];

  test.each(clients)("of %s, on %s", async (_, kind, programs) => {
    await using both = await simulated({ kind, slots: 48 });
    const calls = async (socket: string) => {
      await using program = await client(socket, { programs: programs() });
      const listed = await program.call("list", { context: "a" });
      await program.call("connect", { context: "a", card: "c", reader: first });
      return [listed, await program.call("status", { card: "c" })];
    };
    const [listed, status] = await calls(both.direct);
    expect(listed?.["readers"]).not.toEqual(names);
    expect(status?.rv).not.toBe(SUCCESS);
    expect(await calls(both.through)).toMatchObject([
      { rv: SUCCESS, readers: names },
      { rv: SUCCESS, reader: first, atr: "3b80800101" },
    ]);
  });
});

describe("fewer slots than before, in one process of 2.5.x", () => {
  const programs = () => suite("sid");
  const many = Array.from({ length: 6 }, (_, index) => fakeReader(`Lab Reader 0${index} 00`));
  const few = many.slice(0, 1);

  test("directly: no reader is ever seen again", async () => {
    await using both = await simulated({ kind: "2.5.1", readers: many });
    await using program = await client(both.direct, { programs: programs() });
    expect((await program.must("list", { context: "a" }))["readers"]).toHaveLength(6);
    await both.daemon.become({ readers: few });
    await program.must("establish", { context: "b" });
    for (let times = 0; times < 3; times++) {
      expect(await program.call("list", { context: "b" })).toMatchObject({ rv: UNSUPPORTED });
      const readers = [[first, 0]];
      expect(await program.call("change", { context: "b", readers })).toMatchObject({
        rv: UNSUPPORTED,
      });
    }
  });

  /** Every call succeeds while the list becomes what it is to be. */
  const listsOnly = (program: PcscClient, context: string, wanted: readonly { name: string }[]) =>
    until("the shorter list", async () => {
      const { readers } = await program.must("list", { context });
      return JSON.stringify(readers) === JSON.stringify(wanted.map(({ name }) => name));
    });

  test("through cardwire: another daemon, and readers that are unplugged", async () => {
    await using both = await simulated({ kind: "2.5.1", readers: many });
    await using program = await client(both.through, { programs: programs() });
    await listsOnly(program, "a", many);
    await both.daemon.become({ readers: few });
    await listsOnly(program, "a", few);
    await program.must("change", { context: "a", readers: [[first, 0]] });
    for (const reader of many.slice(1)) both.daemon.plug(reader);
    await listsOnly(program, "a", many);
    for (const { name } of many.slice(1)) both.daemon.unplug(name);
    await listsOnly(program, "a", few);
    await both.daemon.become({ kind: "1.9.9", readers: few });
    await listsOnly(program, "a", few);
  });

  test("through cardwire: one attachment after the other", async () => {
    const directory = await publicDirectory("defects");
    const through = join(directory, "pcscd.comm");
    const before = await simulated({ kind: "2.5.1", readers: many, through });
    await using program = await client(through, { programs: programs() });
    await listsOnly(program, "a", many);
    await before[Symbol.asyncDispose]();
    await using _after = await simulated({ kind: "2.5.1", readers: few, through });
    await program.must("establish", { context: "b" });
    await listsOnly(program, "b", few);
    await rm(directory, { recursive: true, force: true });
  });
});
