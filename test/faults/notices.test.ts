import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { atrs } from "../lab/card.ts";
import { type DelayLine, delayLine } from "../lab/delay-line.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { descendants, signal, until } from "../lab/processes.ts";
import { everywhere, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { type Attached, attach, CardProgram, connected, LIMIT_MS, upstream } from "./attached.ts";

// What a program is told when the line or pcscd breaks under it, one break at a time (design: lines break).

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

const OK = "0x00000000";
const RESET = "0x80100068";
const REMOVED = "0x80100069";
const NOT_TRANSACTED = "0x80100016";
const UNAVAILABLE = "0x80100017";
const NO_CARD = "0x8010000C";
const UNKNOWN_READER = "0x80100009";
const NO_READERS = "0x8010002E";

const [READER] = readerNames;
/** Counts itself, and is logged by the card. */
const counted = (payload: string): string =>
  `80e80000${(payload.length / 2).toString(16).padStart(2, "0")}${payload}`;
/** Answered after two seconds. */
const SLOW = "80e607d0";
/** Whether VERIFY came since the last reset, and VERIFY. */
const IS_VERIFIED = "80ea000000";
const VERIFY = "8020000000";

let pcscd: Pcscd;
let sshd: Sshd;
let line: DelayLine;
let attached: Attached;

/** Everything over ssh, a long line away. */
async function overSsh(): Promise<void> {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  line = await delayLine({ port: sshd.port, delayMs: 3 });
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  attached = await attach(["cardhost", "--name", "notices", "--ssh", `ssh -F ${config}`]);
}

async function endSsh(): Promise<void> {
  await attached[Symbol.asyncDispose]();
  await line[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
}

/** The handle works, and the card took this payload once. */
async function works(program: CardProgram, payload: string): Promise<void> {
  expect(await program.rv("begin")).toBe(OK);
  expect(await program.call("transmit", { apdu: counted(payload) })).toMatchObject({
    rv: OK,
    answer: expect.stringMatching(/9000$/),
  });
  expect(await program.rv("end")).toBe(OK);
  const log = await pcscd.cards[0].log();
  expect(log.filter((one) => one === payload)).toHaveLength(1);
}

/** How many commands the card was given. */
const commands = async (): Promise<number> => (await pcscd.cards[0].counters()).commands;

describe("a line that breaks", () => {
  beforeEach(overSsh);
  afterEach(endSsh);

  test("an idle handle says that the card was reset until it is reconnected", async () => {
    await using program = await connected(attached, READER);
    await works(program, "01");
    await line.cut();
    // The first call after the cut already: it waits for the line, and no longer.
    expect(await program.rv("status")).toBe(RESET);
    expect(await program.rv("begin")).toBe(RESET);
    expect(await program.rv("transmit", { apdu: counted("02") })).toBe(RESET);
    expect(await program.rv("end")).toBe(RESET);
    expect(await program.rv("status")).toBe(RESET);
    expect(await program.rv("reconnect")).toBe(OK);
    expect(await program.call("status")).toMatchObject({ rv: OK, reader: READER, atr: atrs.both });
    await works(program, "03");
    expect(await pcscd.cards[0].log()).toEqual(["01", "03"]);
  });

  test("a reconnect that asks for a reset gives one", async () => {
    await using program = await connected(attached, READER);
    const { resets, powerUps } = await pcscd.cards[0].counters();
    await line.cut();
    expect(await program.rv("status")).toBe(RESET);
    expect(await program.rv("reconnect", { initialization: 1 })).toBe(OK);
    const after = await pcscd.cards[0].counters();
    expect(after.resets + after.powerUps).toBeGreaterThan(resets + powerUps);
    await works(program, "01");
  });

  test("a reconnect heals a handle that was not asked anything before", async () => {
    await using program = await connected(attached, READER);
    await line.cut();
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "01");
  });

  test("a handle can be closed, and its context released", async () => {
    await using program = await connected(attached, READER);
    await line.cut();
    expect(await program.rv("disconnect")).toBe(OK);
    expect(await program.rv("connect", { reader: READER })).toBe(OK);
    await line.cut();
    expect(await program.rv("disconnect", { disposition: 1 })).toBe(OK);
    expect(await program.rv("release")).toBe(OK);
  });

  test("a card that was out meanwhile is another one", async () => {
    await using program = await connected(attached, READER);
    await line.cut({ stayDown: true });
    await pcscd.cards[0].pull();
    await pcscd.cards[0].insert();
    line.resume();
    expect(await program.rv("status")).toBe(REMOVED);
    expect(await program.rv("transmit", { apdu: counted("02") })).toBe(REMOVED);
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "03");
  });

  test("a card that is gone", async () => {
    await using program = await connected(attached, READER);
    await line.cut({ stayDown: true });
    await pcscd.cards[0].pull();
    line.resume();
    expect(await program.rv("status")).toBe(REMOVED);
    expect(await program.rv("reconnect")).toBe(NO_CARD);
    await pcscd.cards[0].insert();
    const present = await program.call("change", { reader: READER, known: 0x10, timeout: 20_000 });
    expect(present.rv).toBe(OK);
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "03");
  });

  test("a command under way fails once as not transacted, and was run once", async () => {
    await using program = await connected(attached, READER);
    const before = await commands();
    const slow = program.rv("transmit", { apdu: SLOW });
    await until("the card to work", async () => (await commands()) > before);
    await line.cut();
    expect(await slow).toBe(NOT_TRANSACTED);
    expect(await program.rv("status")).toBe(RESET);
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "01");
    expect(await commands()).toBe(before + 2);
  });

  test("a command that never arrived fails once as not transacted, and was not run", async () => {
    await using program = await connected(attached, READER);
    line.stall();
    const lost = program.rv("transmit", { apdu: counted("0bad") });
    // On its way once the line has taken it in.
    const { toServer } = await line.stats();
    await until("the line to have it", async () => (await line.stats()).toServer > toServer);
    await line.cut();
    line.resume();
    expect(await lost).toBe(NOT_TRANSACTED);
    expect(await program.rv("transmit", { apdu: counted("02") })).toBe(RESET);
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "03");
    expect(await pcscd.cards[0].log()).toEqual(["03"]);
  });

  test("a transaction ends with the line, and nobody finds the card as it was", async () => {
    await using program = await connected(attached, READER);
    // On the card host itself.
    const env = { PCSCLITE_CSOCK_NAME: pcscd.socketPath };
    await using other = await connected({ env }, READER);
    expect(await program.rv("begin")).toBe(OK);
    expect(await program.rv("transmit", { apdu: VERIFY })).toBe(OK);
    expect(await program.call("transmit", { apdu: IS_VERIFIED })).toMatchObject({
      answer: "019000",
    });
    const waiting = other.rv("begin");
    await line.cut({ stayDown: true });
    // Its handle is told of the reset that comes with it, now or at the next call.
    expect([OK, RESET]).toContain(await waiting);
    await until("the other to have it", async () => {
      return (await other.rv("reconnect")) === OK && (await other.rv("begin")) === OK;
    });
    expect(await other.call("transmit", { apdu: IS_VERIFIED })).toMatchObject({
      answer: "009000",
    });
    expect(await other.rv("end")).toBe(OK);
    line.resume();
    expect(await program.rv("transmit", { apdu: counted("02") })).toBe(RESET);
    expect(await program.rv("end")).toBe(RESET);
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "03");
  });

  test("one that stays down takes the readers away, and brings them back", async () => {
    await using program = await connected(attached, READER);
    await using late = new CardProgram({ env: attached.env });
    await using scan = start("pcsc_scan", ["-n"], { user: "alice", env: attached.env });
    await scan.waitForLine(/Card inserted/);
    const before = await upstream(pcscd);
    await line.cut({ stayDown: true });
    await scan.waitForLine(/Waiting for the first reader/, { timeoutMs: LIMIT_MS });
    expect(await program.rv("status")).toBe(UNAVAILABLE);
    expect(await program.rv("reconnect")).toBe(UNAVAILABLE);
    expect(await program.call("list")).toMatchObject({ rv: NO_READERS });
    // One that is started now meets an empty list, not a dead service; however often it asks, nothing piles up.
    expect(await late.rv("establish")).toBe(OK);
    expect(await late.rv("list")).toBe(NO_READERS);
    for (let attempt = 0; attempt < 60; attempt += 1) {
      expect(await program.rv("reconnect")).toBe(UNAVAILABLE);
      expect(await late.rv("connect", { reader: READER })).toMatch(/^0x801000(09|17)$/);
    }
    line.resume();
    let most = 0;
    await until(
      "the readers",
      async () => {
        most = Math.max(most, await upstream(pcscd));
        return (await late.rv("list")) === OK;
      },
      2 * LIMIT_MS,
    );
    await scan.waitForLine(/Card inserted/, { timeoutMs: LIMIT_MS });
    expect(await program.rv("status")).toBe(RESET);
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "01");
    expect(await late.rv("connect", { reader: READER })).toBe(OK);
    most = Math.max(most, await upstream(pcscd));
    // Each of the two has one, and as many may be spare.
    expect(most).toBeLessThanOrEqual(before + 8);
  });
});

describe.each(["ssh", "unix"] as const)("pcscd that dies, through %s", (way) => {
  beforeEach(async () => {
    if (way === "ssh") await overSsh();
    else {
      pcscd = await startPcscd();
      attached = await attach([`unix:${pcscd.socketPath}`, "--name", "notices"]);
    }
  });
  afterEach(async () => {
    if (way === "ssh") await endSsh();
    else {
      await attached[Symbol.asyncDispose]();
      await pcscd[Symbol.asyncDispose]();
    }
  });

  test("its readers go, and come back with it; nobody has to be started again", async () => {
    await using program = await connected(attached, READER);
    await using watching = new CardProgram({ env: attached.env });
    expect(await watching.rv("establish")).toBe(OK);
    const first = await watching.call("change", { reader: READER, timeout: 10_000 });
    const known = Number(first["state"]) & ~2;
    const changed = watching.call("change", { reader: READER, known, timeout: 25_000 });
    await pcscd.stop({ kill: true });
    // Through ssh nobody can tell at once whether pcscd died or is only slow to come back.
    expect([OK, UNKNOWN_READER]).toContain((await changed).rv);
    // Not by its list: pyscard asks for that twice, and breaks when it changes in between.
    const gone = async () => (await program.rv("change", { reader: READER })) === UNKNOWN_READER;
    await until("the readers to go", gone, LIMIT_MS);
    expect(await program.rv("list")).toBe(NO_READERS);
    expect(await program.rv("status")).toBe(UNAVAILABLE);
    expect(await watching.rv("connect", { reader: READER })).toMatch(/^0x801000(09|17)$/);

    await pcscd.start();
    await until("the readers", async () => (await program.rv("list")) === OK, LIMIT_MS);
    await until("the card", async () => {
      const { rv, atr } = await watching.call("change", { reader: READER, timeout: 1_000 });
      return rv === OK && atr === atrs.both;
    });
    // A fresh pcscd counts from the start: nothing says that this card was not out.
    expect(await program.rv("status")).toBe(REMOVED);
    expect(await program.rv("reconnect")).toBe(OK);
    await works(program, "01");
    expect(await watching.rv("connect", { reader: READER })).toBe(OK);
    await works(watching, "02");
  });

  test("a command under way fails as not transacted, and is never sent again", async () => {
    await using program = await connected(attached, READER);
    const before = await commands();
    const slow = program.rv("transmit", { apdu: SLOW });
    await until("the card to work", async () => (await commands()) > before);
    await pcscd.restart({ kill: true });
    expect(await slow).toBe(NOT_TRANSACTED);
    await until("the card", async () => (await pcscd.readers()).some(({ atr }) => atr !== ""));
    expect(await program.rv("status")).toBe(REMOVED);
    await until("to be healed", async () => (await program.rv("reconnect")) === OK);
    await works(program, "01");
    expect(await commands()).toBe(before + 2);
  });
});

test("a pcscd that a socket unit starts is found again after each end", async () => {
  const activator = new URL("programs/activator.py", import.meta.url).pathname;
  const args = [activator, "--foreground", "--auto-exit"];
  pcscd = await startPcscd({ program: "/usr/bin/python3", args });
  await using _pcscd = pcscd;
  attached = await attach([`unix:${pcscd.socketPath}`, "--name", "activated"]);
  await using _attached = attached;
  await using program = await connected(attached, READER);
  await works(program, "00");
  for (const payload of ["01", "02"]) {
    const daemon = (await descendants(pcscd.pid)).find(({ name }) => name === "pcscd");
    expect(daemon).toBeDefined();
    signal(daemon?.pid ?? 0, payload === "01" ? "SIGTERM" : "SIGKILL");
    await until("the handle to say so", async () => (await program.rv("status")) === REMOVED);
    await until("it to be healed", async () => (await program.rv("reconnect")) === OK);
    await works(program, payload);
  }
  expect(pcscd.output.match(/starting pcscd/g)?.length).toBeGreaterThanOrEqual(3);
});
