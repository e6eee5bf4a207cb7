import { readdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Client, connect, type Reader } from "../../src/index.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { sshMasters } from "./programs/cardwire.ts";

// The client library with a real pcscd, here and behind ssh: the same program, the same answers.

const [READER] = readerNames;

let pcscd: Pcscd;
let sshd: Sshd;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});
beforeEach(() => pcscd.cards[0].insert());

const open = {
  "this computer's pcscd": () => connect(`unix:${pcscd.socketPath}`),
  "one behind ssh": () => connect("cardhost", { ssh: ["ssh", "-F", sshd.clientConfig] }),
} as const satisfies Record<string, () => Promise<Client>>;

const COUNT = { cla: 0x80, ins: 0xe8, le: 4 } as const;
const slow = (ms: number) => ({ cla: 0x80, ins: 0xe6, p1: ms >> 8, p2: ms & 0xff });
const LONG = { cla: 0x80, ins: 0xe4, le: 1_000 } as const;
const present = (readers: readonly Reader[]) => readers.map(({ atr }) => atr !== undefined);

describe.each(Object.entries(open))("%s", (_place, connectThere) => {
  test("lists its readers and reads from a card", async () => {
    await using client = await connectThere();
    expect(client.readers.map(({ name }) => name)).toEqual(readerNames);
    await using card = await client.connect(READER);
    expect(card.protocol).toMatch(/^T=[01]$/);
    expect(await card.must(LONG)).toHaveLength(LONG.le);
    await expect(client.connect(readerNames[1])).rejects.toMatchObject({
      code: "SCARD_E_NO_SMARTCARD",
    });
  });

  test("tells a follower of each change, until it has seen enough", async () => {
    await using client = await connectThere();
    const stop = new AbortController();
    const seen: (readonly boolean[])[] = [];
    for await (const readers of client.changes({ signal: stop.signal })) {
      const now = present(readers);
      if (now.join() === seen.at(-1)?.join()) continue; // something else of a reader changed
      seen.push(now);
      if (seen.length === 1) void pcscd.cards[0].pull();
      if (seen.length === 2) void pcscd.cards[0].insert();
      if (seen.length === 3) stop.abort();
    }
    expect(seen).toEqual([
      [true, false],
      [false, false],
      [true, false],
    ]);
  });

  test("keeps others off the card in a transaction, and lets them on in turn", async () => {
    await using one = await connectThere();
    await using other = await connectThere();
    await using mine = await one.connect(READER);
    await using theirs = await other.connect(READER);
    const transaction = await mine.transaction();
    const order: string[] = [];
    const waiting = theirs.transaction().then(async (turn) => {
      order.push("theirs");
      await theirs.must(COUNT);
      await turn.end();
    });
    await mine.must(COUNT);
    await delay(200);
    order.push("mine");
    await transaction.end();
    await waiting;
    expect(order).toEqual(["mine", "theirs"]);
  });

  test("a card that is pulled in the middle of a command fails it, and can be had again", async () => {
    await using client = await connectThere();
    await using card = await client.connect(READER);
    const transaction = await card.transaction();
    const started = performance.now();
    const failed = card.command(slow(10_000)).catch((error: unknown) => error);
    await delay(300);
    await pcscd.cards[0].pull();
    expect(await failed).toMatchObject({ code: "SCARD_F_COMM_ERROR" });
    expect(performance.now() - started).toBeLessThan(5_000);
    await expect(card.status()).rejects.toMatchObject({ code: "SCARD_W_REMOVED_CARD" });
    await transaction.end().catch(() => {}); // it is over
    void pcscd.cards[0].insert();
    await client.waitForCard({ reader: READER, signal: AbortSignal.timeout(10_000) });
    await card.reconnect();
    expect(await card.must(COUNT)).toHaveLength(4);
  });

  test("a card that does not answer in time can be left", async () => {
    await using client = await connectThere();
    await using card = await client.connect(READER);
    const signal = AbortSignal.timeout(100);
    await expect(card.command(slow(800), { signal })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(await card.must(COUNT)).toHaveLength(4); // which waits for the card
  });
});

test("nothing is left of any of them", async () => {
  expect(await sshMasters()).toEqual([]);
  const left = await readdir("/run/cardwire").catch(() => []);
  expect(left.filter((name) => name.startsWith("lib"))).toEqual([]);
});
