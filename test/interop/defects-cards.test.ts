import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { client, simulated } from "../defects/sockets.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { daemonOf, suite } from "../lab/suites.ts";
import { here, type Programs, SUCCESS } from "../pcsc/client.ts";
import { first, second } from "../replay/attached.ts";
import { rawClient } from "../replay/client.ts";
import { Cmd } from "../replay/commands.ts";
import { type Attached, attach } from "./programs/cardwire.ts";

// Defects of libpcsclite and pcscd that have to do with handles and contexts: directly they show, through cardwire they
// do not.

const NO_SERVICE = "0x8010001d";
const DENIED = "0x8010006a";
const REMOVED = "0x80100069";
const SHARING_VIOLATION = 0x8010000b;
const RESET = 0x80100068;
const [READER, OTHER] = readerNames;
/** A command to the card that echoes its data. */
const ECHO = { apdu: "80e0000003c0ffee" };

describe("a context whose pcscd is killed and started again", () => {
  /** Whose library and pcscd, and whether each restart is a death or an orderly end. */
  const pairs: readonly (readonly [
    string,
    () => Programs,
    () => Promise<Pcscd>,
    readonly boolean[],
  ])[] = [
    ["this computer's", () => here, () => startPcscd(), [true, false]],
    ["Debian 13's", () => suite("trixie"), () => startPcscd(daemonOf(suite("trixie"))), [true]],
    ["Debian unstable's", () => suite("sid"), () => startPcscd(daemonOf(suite("sid"))), [true]],
  ];

  test.each(pairs)("%s", async (_, programs, startDaemon, restarts) => {
    await using pcscd = await startDaemon();
    await using attached = await attach([`unix:${pcscd.socketPath}`]);
    const options = { programs: programs() };
    await using direct = await client(pcscd.socketPath, options);
    await using through = await client(attached.socket, options);
    for (const program of [direct, through]) {
      await program.must("list", { context: "a" });
      await program.must("connect", { context: "a", card: "c", reader: READER });
    }
    await through.must("establish", { context: "waits" });
    const known = await through.must("change", { context: "waits", readers: [[OTHER, 0]] });
    const [{ counter }] = known["states"] as [{ counter: number }];
    const empty = [[OTHER, counter * 0x10000 + 0x10]];
    const waiting = through.call("change", { context: "waits", readers: empty, timeout: 60_000 });

    for (const kill of restarts) {
      await pcscd.restart({ kill });
      for (let times = 0; times < 3; times++) {
        expect(await direct.call("list", { context: "a" })).toMatchObject({ rv: NO_SERVICE });
        expect(await direct.call("valid", { context: "a" })).toMatchObject({ rv: SUCCESS });
        expect(await direct.call("status", { card: "c" })).toMatchObject({ rv: NO_SERVICE });
      }
      // Directly, too, a context that is made now sees the readers come one by one, and then the cards.
      await until("both readers to be back", async () => {
        const { readers } = await through.call("list", { context: "a" });
        return JSON.stringify(readers) === JSON.stringify(readerNames);
      });
      expect(await through.call("status", { card: "c" })).toMatchObject({ rv: REMOVED });
      await until("the card to be back", async () => {
        expect(await through.call("valid", { context: "a" })).toMatchObject({ rv: SUCCESS });
        return (await through.call("reconnect", { card: "c" })).rv === SUCCESS;
      });
      const answer = await through.must("transmit", { card: "c", ...ECHO });
      expect(answer).toMatchObject({ answer: "c0ffee9000" });
    }
    await pcscd.cards[1].insert();
    expect(await waiting).toMatchObject({ rv: SUCCESS });
  });
});

/** A release's pcscd, and a version that it accepts. */
const daemons: readonly (readonly [string, number, () => Promise<Pcscd>])[] = [
  ["this computer", 4, () => startPcscd()],
  ["Debian 13", 5, () => startPcscd(daemonOf(suite("trixie")))],
  ["Debian unstable", 4, () => startPcscd(daemonOf(suite("sid")))],
];

describe.each(daemons)("pcscd of %s", (_, minor, startDaemon) => {
  let pcscd: Pcscd;
  let attached: Attached;

  beforeAll(async () => {
    pcscd = await startDaemon();
    attached = await attach([`unix:${pcscd.socketPath}`]);
  });
  afterAll(async () => {
    await attached[Symbol.asyncDispose]();
    await pcscd.stop({ kill: true }); // it would not end by itself: see below
    await pcscd[Symbol.asyncDispose]();
  });

  test("pauses for 2 s over a handle that is not the asker's, then hangs up", async () => {
    /** libpcsclite refuses such handles itself, so this is about the daemon alone. @returns how long it took, ms. */
    const hangsUp = async (socket: string, whose: "nobody's" | "another's"): Promise<number> => {
      using owner = await rawClient(socket, { minor });
      const { card } = await owner.connect(await owner.establish(), READER);
      using hostile = await rawClient(socket, { minor });
      await hostile.establish();
      const asked = performance.now();
      hostile.send(Cmd.Status, hostile.words(whose === "another's" ? card : card ^ 0x1234567, 0));
      // Others are served meanwhile, and afterwards.
      expect(await owner.result(Cmd.Status, card, 0)).toBe(0);
      await hostile.closed;
      const ms = performance.now() - asked;
      expect(hostile.left).toBe(0);
      expect(await owner.result(Cmd.Status, card, 0)).toBe(0);
      return ms;
    };
    const both = (whose: "nobody's" | "another's") => [
      hangsUp(pcscd.socketPath, whose),
      hangsUp(attached.socket, whose),
    ];
    const pauses = await Promise.all([...both("nobody's"), ...both("another's")]);
    const [nobodys = 0, without = 0, anothers = 0, withoutEither = 0] = pauses;
    expect(Math.min(nobodys, anothers)).toBeGreaterThan(1_900);
    expect(Math.max(without, withoutEither)).toBeLessThan(1_900);
  });

  test("keeps the card for a dead program that waited for itself", async () => {
    /** It holds the card, asks for it exclusively, and is killed. @returns what BEGIN on another's handle says then. */
    async function* afterwards(socket: string): AsyncGenerator<number> {
      using witness = await rawClient(socket, { minor });
      const { card } = await witness.connect(await witness.establish(), READER);
      const begin = () => witness.result(Cmd.Begin, card, 0);
      {
        await using program = await client(socket, { programs: programsFor(minor) });
        await program.must("connect", { context: "a", card: "c", reader: READER });
        await program.must("begin", { card: "c" });
        const again = { context: "a", card: "d", reader: READER, share: 1 };
        const stuck = program.call("connect", again);
        stuck.catch(() => {}); // it never comes back
        expect(await begin()).toBe(SHARING_VIOLATION);
        await program.die();
        await expect(stuck).rejects.toThrow("the program ended");
      }
      for (;;) yield await begin();
    }
    // First through cardwire: what is done to pcscd itself stays.
    const through = afterwards(attached.socket);
    await until("the card to be free", async () => (await through.next()).value === RESET);
    await through.return(undefined);
    const direct = afterwards(pcscd.socketPath);
    for (let tries = 0; tries < 15; tries++)
      expect((await direct.next()).value).toBe(SHARING_VIOLATION);
    await direct.return(undefined);
  });
});

const programsFor = (minor: number): Programs => (minor === 5 ? suite("trixie") : here);

describe("a card that is denied by hanging up, as up to 2.0.0", () => {
  // Debian builds none of these releases with polkit: the daemon is simulated.
  const clients: readonly (readonly [string, () => Programs])[] = [
    ["Debian 11", () => suite("bullseye")],
    ["this computer", () => here],
    ["Debian unstable", () => suite("sid")],
  ];

  test.each(clients)("library of %s", async (_, programs) => {
    await using both = await simulated({ kind: "1.9.9" });
    const isDenied = async (socket: string) => {
      await using program = await client(socket, { programs: programs() });
      await program.must("list", { context: "a" });
      await program.must("connect", { context: "a", card: "allowed", reader: first });
      // cardwire tries twice, since a connection may also break.
      for (let times = 0; times < 2; times++)
        both.daemon.twist(Cmd.Connect, () => ({ send: Buffer.alloc(0), thenHangUp: true }), second);
      const denied = { context: "a", card: "denied", reader: second };
      const calls = [
        ["connect", denied],
        ["list", { context: "a" }],
        ["status", { card: "allowed" }],
      ] as const;
      const results = [];
      for (const [call, args] of calls) results.push((await program.call(call, args)).rv);
      return results;
    };
    expect(await isDenied(both.through)).toEqual([DENIED, SUCCESS, SUCCESS]);
    const [denial, ...others] = await isDenied(both.direct);
    expect(denial).not.toBe(SUCCESS);
    expect(others).toEqual([NO_SERVICE, NO_SERVICE]);
  });
});
