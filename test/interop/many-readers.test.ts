import { chmod } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pcscd, readerName, startPcscd } from "../lab/pcscd.ts";
import { daemonOf, foreign, suite } from "../lab/suites.ts";
import { here, PcscClient, type Programs, SUCCESS } from "../pcsc/client.ts";
import { fakeReader } from "../../src/testing/index.ts";
import { startDaemon } from "../replay/daemon.ts";
import { attach, using } from "./programs/cardwire.ts";
import { run } from "../lab/programs.ts";

// More readers than a program up to pcsc-lite 2.4 has slots for: a real pcscd of Debian unstable, which lists them all.

const COUNT = 24;
const FIXED = 16;
const all = Array.from({ length: COUNT }, (_, slot) => readerName(slot));
const LAST = readerName(COUNT - 1);
/** A card in the first, the 19th and the last. */
const withCard = [0, 18, COUNT - 1];
/** Those and then the others, in the order of the list. */
const firstFixed = [
  ...withCard.map(readerName),
  ...all.filter((name) => !withCard.map(readerName).includes(name)),
].slice(0, FIXED);

/** SCARD_STATE bits of what SCardGetStatusChange tells. */
const State = { Changed: 2, Unknown: 4, Empty: 0x10, Present: 0x20 } as const;
const TIMEOUT = "0x8010000a";

const newest = () => suite("sid");
const older: readonly (readonly [string, () => Programs])[] = [
  ["Debian 11, 4:4", () => suite("bullseye")],
  ["Debian 12, 4:4", () => here],
  ["Debian 13, 4:5", () => suite("trixie")],
  ["s390x, big-endian", () => foreign("s390x")],
];

interface Told {
  readonly event: number;
  readonly counter: number;
  readonly atr: string;
}

/** What a program knows of readers, as it hands it to the next SCardGetStatusChange. */
type Known = readonly (readonly [string, number])[];

let pcscd: Pcscd;
beforeAll(async () => {
  const cards = all.map((_, slot) => ({ inserted: withCard.includes(slot) }));
  pcscd = await startPcscd({ ...daemonOf(newest()), slots: COUNT, cards });
});
afterAll(() => pcscd[Symbol.asyncDispose]());

const attachHere = (...args: readonly string[]) => attach([`unix:${pcscd.socketPath}`, ...args]);

async function open(socket: string, programs: Programs): Promise<PcscClient> {
  const client = new PcscClient(socket, { programs });
  await client.must("establish", { context: "a" });
  return client;
}

async function change(
  client: PcscClient,
  readers: Known,
  { timeout = 0, context = "a" } = {},
): Promise<{ rv: string; states: readonly Told[] }> {
  const outcome = await client.call("change", { context, readers, timeout });
  return { rv: outcome.rv, states: outcome["states"] as readonly Told[] };
}

/** What is true of readers now. */
async function know(client: PcscClient, names: readonly string[], context = "a"): Promise<Known> {
  const { states } = await change(
    client,
    names.map((name) => [name, 0] as const),
    { context },
  );
  return names.map((name, at) => [name, states[at]?.event ?? 0] as const);
}

/** The card in a reader gives back what it is sent. */
async function use(client: PcscClient, reader: string): Promise<void> {
  await client.must("connect", { context: "a", card: "c", reader });
  expect(await client.must("status", { card: "c" })).toMatchObject({ reader, atr: "3b80800101" });
  const sent = await client.must("transmit", { card: "c", apdu: "80e0000003c0ffee" });
  expect(sent).toMatchObject({ answer: "c0ffee9000" });
  await client.must("disconnect", { card: "c" });
}

describe("a program of 4:6", () => {
  test("sees them all, uses the last, and waits on each", async () => {
    await using attached = await attachHere();
    await using client = await open(attached.socket, newest());
    expect(await client.must("list", { context: "a" })).toMatchObject({ readers: all });
    await use(client, LAST);
    const states = await change(
      client,
      all.map((name) => [name, 0] as const),
    );
    expect(states.rv).toBe(SUCCESS);
    expect(
      states.states.flatMap(({ event }, slot) => (event & State.Present ? [slot] : [])),
    ).toEqual(withCard);
    const waiting = change(client, await know(client, all), { timeout: 30_000 });
    await pcscd.cards[COUNT - 1]?.pull();
    const { rv, states: after } = await waiting;
    expect({ rv, event: after.at(-1)?.event }).toEqual({
      rv: SUCCESS,
      event: State.Changed | State.Empty,
    });
    await pcscd.cards[COUNT - 1]?.insert();
    const scan = newest().program("pcsc_scan", ["-r"]);
    const [command, ...args] = scan;
    const { stdout } = await run(command, args, { user: "alice", env: using(attached.socket) });
    expect(stdout).toContain(`${COUNT - 1}: ${LAST}\n`);
  });
});

describe.each(older)("a program of %s", (_, programs) => {
  test("sees 16 of them, those with a card first, and connects to any", async () => {
    await using attached = await attachHere();
    await using client = await open(attached.socket, programs());
    expect(await client.must("list", { context: "a" })).toMatchObject({ readers: firstFixed });
    await use(client, LAST);
    // One that it does not see: its state can be asked for all the same while it has a handle.
    const hidden = readerName(COUNT - 2);
    expect(firstFixed).not.toContain(hidden);
    await client.must("connect", {
      context: "a",
      card: "h",
      reader: hidden,
      share: 3,
      protocols: 0,
    });
    expect(await client.must("status", { card: "h" })).toMatchObject({ reader: hidden });
    await client.must("disconnect", { card: "h" });
  });

  test("waits without an error while other readers get cards", async () => {
    await using attached = await attachHere();
    await using client = await open(attached.socket, programs());
    await client.must("list", { context: "a" });
    const known = await know(client, firstFixed);
    const hidden = COUNT - 2;
    // One of those that it waits on would have to leave for this one.
    await pcscd.cards[hidden]?.insert();
    try {
      expect(await change(client, known)).toMatchObject({ rv: TIMEOUT });
      const waiting = change(client, known, { timeout: 30_000 });
      await pcscd.cards[1].insert();
      const { rv, states } = await waiting;
      expect(rv).toBe(SUCCESS);
      const changed = states.flatMap(({ event }, at) =>
        event & State.Changed ? [`${known[at]?.[0]} ${event}`] : [],
      );
      expect(changed).toEqual([`${readerName(1)} ${State.Changed | State.Present}`]);
      // A new list is a new choice.
      const listed = await client.must("list", { context: "a" });
      expect(listed["readers"]).toContain(readerName(hidden));
    } finally {
      await pcscd.cards[hidden]?.pull();
      await pcscd.cards[1].pull();
    }
  });
});

test("a context of its own for waiting knows the readers that the program listed in another", async () => {
  await using attached = await attachHere();
  await using client = await open(attached.socket, here);
  await client.must("list", { context: "a" });
  await pcscd.cards[COUNT - 2]?.insert();
  try {
    await client.must("establish", { context: "b" });
    const known = await know(client, firstFixed, "b");
    expect(await change(client, known, { context: "b" })).toMatchObject({ rv: TIMEOUT });
  } finally {
    await pcscd.cards[COUNT - 2]?.pull();
  }
});

test("--first says which of the empty ones an older program sees", async () => {
  await using attached = await attachHere("--first", "* 10 00 0?");
  await using client = await open(attached.socket, here);
  const { readers } = (await client.must("list", { context: "a" })) as unknown as {
    readers: readonly string[];
  };
  const expected = [...withCard.map(readerName), readerName(20), readerName(21)];
  expect(readers.slice(0, expected.length)).toEqual(expected);
  expect(readers).toHaveLength(FIXED);
});

// Fedora's pcscd cannot be had here, so a simulated one stands in for it; the programs and cardwire are real.
describe.each([
  ["1.8.23", "little"],
  ["1.9.9", "little"],
  ["1.9.9", "big"],
  ["2.3.3", "little"],
  ["2.3.3", "big"],
] as const)("a pcscd with 48 slots, as %s in %s-endian", (kind, order) => {
  test("is recognised, and all its readers are there", async () => {
    const names = Array.from({ length: 30 }, (_, slot) => `Lab Reader ${slot} 00 00`);
    const last = names.at(-1) ?? "";
    const readers = names.map((name) => fakeReader(name));
    await using daemon = await startDaemon({ kind, order, slots: 48, readers });
    await chmod(dirname(daemon.path), 0o755);
    await chmod(daemon.path, 0o666);
    await using attached = await attach([`unix:${daemon.path}`]);
    await using client = await open(attached.socket, newest());
    expect(await client.must("list", { context: "a" })).toMatchObject({ readers: names });
    await using olderClient = await open(attached.socket, here);
    const listed = await olderClient.must("list", { context: "a" });
    expect(listed).toMatchObject({ readers: names.slice(0, FIXED) });
    const waiting = change(client, await know(client, names), { timeout: 30_000 });
    daemon.insert(last, Buffer.from("3b80800101", "hex"));
    const { rv, states } = await waiting;
    expect(rv).toBe(SUCCESS);
    expect(states.at(-1)).toMatchObject({
      event: State.Changed | State.Present,
      atr: "3b80800101",
    });
    const anew = await olderClient.must("list", { context: "a" });
    expect(anew).toMatchObject({ readers: [last, ...names.slice(0, FIXED - 1)] });
  });
});

test("several card hosts with more readers together than an older program has slots for", async () => {
  await using other = await startPcscd({ cards: [{}] });
  await using attached = await attachHere(`unix:${other.socketPath}`);
  await using client = await open(attached.socket, newest());
  const { readers } = (await client.must("list", { context: "a" })) as unknown as {
    readers: readonly string[];
  };
  expect(readers).toHaveLength(COUNT + 2);
  await using olderClient = await open(attached.socket, here);
  const seen = (await olderClient.must("list", { context: "a" }))["readers"];
  const before = [...withCard, COUNT];
  const expected = [
    ...before.map((slot) => readers[slot]),
    ...readers.filter((_, slot) => !before.includes(slot)),
  ];
  expect(seen).toEqual(expected.slice(0, FIXED));
  await use(olderClient, readers[COUNT] ?? "");
});
