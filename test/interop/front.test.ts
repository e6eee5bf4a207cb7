import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { unixCarrier } from "../../src/carriers/unix.ts";
import type { CardService } from "../../src/domain/card-service.ts";
import type { Peer } from "../../src/fronts/pcsclite/application.ts";
import { PcscliteServer, type PcscliteServerOptions } from "../../src/fronts/pcsclite/server.ts";
import { MergedService } from "../../src/services/merged.ts";
import { pcscdService } from "../../src/services/pcscd/service.ts";
import {
  type FakeAnswers,
  type FakeService,
  fakeReader,
  fakeService,
} from "../../src/testing/index.ts";
import { startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { words } from "../replay/bytes.ts";
import { type ClientOptions, type RawClient, rawClient } from "../replay/client.ts";
import { Cmd } from "../replay/commands.ts";

const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const card = fakeReader("Fake 00 00", { atr, eventCounter: 1 });
const empty = fakeReader("Fake 00 01");
const SELECT = Buffer.from("00a4040005f000000000", "hex");
const RESET = 0x80100068;

const dialects = ["little", "big"].flatMap((order) =>
  [2, 3, 4, 5, 6].map((minor) => [order, minor] as ["little" | "big", number]),
);

/** A PcscliteServer on a socket. */
class Served<S extends CardService> implements AsyncDisposable {
  readonly service: S;
  readonly front: PcscliteServer;
  readonly path: string;
  /** This end of each connection, in the order of their coming. */
  readonly sockets: Socket[] = [];
  readonly #end: () => Promise<void>;

  constructor(
    service: S,
    front: PcscliteServer,
    { path, end }: { path: string; end: () => Promise<void> },
  ) {
    this.service = service;
    this.front = front;
    this.path = path;
    this.#end = end;
  }

  async client(options: ClientOptions = {}): Promise<RawClient> {
    return await rawClient(this.path, options);
  }

  /** A client with a handle on the first reader. */
  async connected(options: ClientOptions = {}, how: { share?: number } = {}) {
    const client = await this.client(options);
    const context = await client.establish();
    const reader = this.service.readers[0]?.name ?? "";
    const { card: handle, rv } = await client.connect(context, reader, how);
    if (rv !== 0) throw new Error(`the connect was refused: 0x${rv.toString(16)}`);
    return { client, context, handle };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

async function serve<S extends CardService>(
  service: S,
  { identify, ...options }: PcscliteServerOptions = {},
): Promise<Served<S>> {
  const directory = await mkdtemp(join(tmpdir(), "front-"));
  const path = join(directory, "pcscd.comm");
  const server = createServer();
  const front = new PcscliteServer(server, service, {
    ...options,
    identify: (socket) => {
      served.sockets.push(socket);
      return identify?.(socket) ?? { name: "test" };
    },
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  const end = async () => {
    await front[Symbol.asyncDispose]();
    server.close();
    await service[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  };
  const served = new Served(service, front, { path, end });
  return served;
}

const overFake = async (
  options: PcscliteServerOptions = {},
  answers: FakeAnswers = {},
): Promise<Served<FakeService>> => await serve(fakeService([card, empty], answers), options);

async function overPcscd(): Promise<Served<CardService>> {
  const pcscd = await startPcscd();
  const carrier = unixCarrier(pcscd.socketPath);
  const service = await pcscdService(
    carrier,
    { pipelining: true, rememberFeatures: true, keepWarm: false },
    { signal: AbortSignal.timeout(10_000) },
  );
  return await serve({
    get readers() {
      return service.readers;
    },
    watch: (options) => service.watch(options),
    connect: (reader, how, options) => service.connect(reader, how, options),
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await carrier[Symbol.asyncDispose]();
      await pcscd[Symbol.asyncDispose]();
    },
  });
}

const backs = [
  ["a fake service", overFake],
  ["pcscd", overPcscd],
] as const;

/** One application from its first byte to its last. @returns what it saw, without numbers that are its own. */
async function wholeLife(served: Served<CardService>, options: ClientOptions) {
  using client = await served.client(options);
  const context = await client.establish();
  const readers = await client.readers();
  const name = readers[0]?.name ?? "";
  const { card: handle, active, rv } = await client.connect(context, name);
  const shown = (await client.readers())[0];
  const begun = await client.result(Cmd.Begin, handle, 0);
  const answer = await client.transmit(handle, SELECT);
  const tooSmall = await client.transmit(handle, SELECT, { buffer: 1 });
  const status = await client.result(Cmd.Status, handle, 0);
  const control = await client.control(handle, 0x42000001);
  const ended = await client.result(Cmd.End, handle, 0, 0);
  const endedTwice = await client.result(Cmd.End, handle, 0, 0);
  const reconnected = await client.ask(Cmd.Reconnect, handle, 2, 3, 1, 0, 0);
  const waited = await client.wait();
  client.stop();
  const stopped = await client.event();
  const disconnected = await client.result(Cmd.Disconnect, handle, 0, 0);
  const unknown = (await client.connect(context, "No such reader")).rv;
  const none = (await client.connect(context, readers[1]?.name ?? "")).rv;
  const released = await client.result(Cmd.Release, context, 0);
  expect(client.left).toBe(0);
  return {
    names: readers.map(({ name: one }) => one),
    atr: readers[0]?.atr,
    connected: [rv, active, shown?.protocol],
    begun,
    answer,
    tooSmall,
    status,
    control,
    ended: [ended, endedTwice],
    reconnected: reconnected.slice(4),
    waited: waited?.length,
    stopped,
    disconnected,
    refused: [unknown, none],
    released,
  };
}

describe.each(backs)("over %s", (_name, open) => {
  test("every dialect in both byte orders, at once on one socket, sees the same", async () => {
    await using served = await open();
    const [, second = ""] = served.service.readers.map(({ name }) => name);
    // One after the other first: the card is one, and a reset by one is noticed by all.
    const seen = [];
    for (const [order, minor] of dialects) seen.push(await wholeLife(served, { order, minor }));
    const expected = { ...seen[2], waited: undefined };
    expect(seen.map((one) => ({ ...one, waited: undefined }))).toEqual(seen.map(() => expected));
    expect(expected).toMatchObject({
      connected: [0, 2, 2],
      begun: 0,
      answer: { rv: 0, length: 2 },
      tooSmall: { rv: 0x80100008, length: 2, data: "" },
      status: 0,
      control: { rv: 0x8010001f, answer: "" },
      ended: [0, 0x80100016],
      reconnected: [2, 0],
      stopped: 0,
      disconnected: 0,
      refused: [0x80100009, 0x8010000c],
      released: 0,
    });
    const together = await Promise.all(
      dialects.map(async ([order, minor]) => {
        using client = await served.client({ order, minor });
        const context = await client.establish();
        const { card: handle, rv } = await client.connect(context, second, {
          share: 3,
          protocols: 0,
        });
        const statuses = [];
        for (let times = 0; times < 20; times++)
          statuses.push(
            await client.result(Cmd.Status, handle, 0),
            (await client.readers()).length,
          );
        return [rv, new Set(statuses)];
      }),
    );
    expect(together).toEqual(dialects.map(() => [0, new Set([0, 2])]));
  });

  test("a client that dies in a transaction leaves a card that was reset", async () => {
    await using served = await open();
    const [victim, witness] = [await served.connected(), await served.connected()];
    expect(await victim.client.result(Cmd.Begin, victim.handle, 0)).toBe(0);
    expect(await witness.client.result(Cmd.Status, witness.handle, 0)).toBe(0x8010000b);
    victim.client[Symbol.dispose]();
    const seen = await until("the lock to be free", async () => {
      const rv = await witness.client.result(Cmd.Status, witness.handle, 0);
      return rv === 0x8010000b ? undefined : rv;
    });
    expect(seen).toBe(RESET);
  });

  test("one that dies without a transaction leaves the card alone", async () => {
    await using served = await open();
    const [victim, witness] = [await served.connected(), await served.connected()];
    victim.client[Symbol.dispose]();
    await until("it to be gone", () => served.front.applications === 1);
    await until("its handle to be closed", () => served.service.readers[0]?.sharing === 1);
    expect(await witness.client.result(Cmd.Status, witness.handle, 0)).toBe(0);
  });

  test("one that dies during a blocked connect leaves nothing", async () => {
    await using served = await open();
    const holder = await served.connected();
    await holder.client.result(Cmd.Begin, holder.handle, 0);
    const victim = await served.client();
    const context = await victim.establish();
    const connecting = victim.connect(context, served.service.readers[0]?.name ?? "");
    const failed = Promise.allSettled([connecting]);
    await until("the connect to be asked", () => served.front.applications === 2);
    expect(await holder.client.result(Cmd.Status, holder.handle, 0)).toBe(0);
    victim[Symbol.dispose]();
    expect(await failed).toMatchObject([{ status: "rejected" }]);
    await until("it to be gone", () => served.front.applications === 1);
    expect(await holder.client.result(Cmd.End, holder.handle, 0, 0)).toBe(0);
    const next = await served.connected();
    expect(await next.client.result(Cmd.Status, next.handle, 0)).toBe(0);
    await until("only two handles", () => served.service.readers[0]?.sharing === 2);
  });

  test("one that dies in the middle of a request leaves it undone", async () => {
    await using served = await open();
    const [victim, witness] = [await served.connected(), await served.connected()];
    const disconnect = Buffer.concat([
      words("little", 12, Cmd.Disconnect),
      words("little", victim.handle, 1, 0),
    ]);
    victim.client.raw(disconnect.subarray(0, 15));
    victim.client[Symbol.dispose]();
    await until("it to be gone", () => served.front.applications === 1);
    expect(await witness.client.result(Cmd.Status, witness.handle, 0)).toBe(0);
  });

  test("300 applications at once", async () => {
    await using served = await open();
    const clients = await Promise.all(
      Array.from({ length: 300 }, () => served.client({ minor: 6 })),
    );
    const listed = await Promise.all(
      clients.map(async (client) => {
        await client.establish();
        return (await client.wait())?.length;
      }),
    );
    expect(listed).toEqual(clients.map(() => 2));
    for (const client of clients) client.stop();
    expect(await Promise.all(clients.map((client) => client.event()))).toEqual(
      clients.map(() => 0),
    );
    for (const client of clients) client[Symbol.dispose]();
    await until("all to be gone", () => served.front.applications === 0);
  });
});

describe("the handshake", () => {
  test("a newer version is asked down once only", async () => {
    await using served = await overFake();
    using client = await served.client();
    expect(await client.version(9)).toEqual({ major: 4, minor: 6, rv: 0x8010001e });
    expect(await client.version(9)).toEqual({ major: 4, minor: 6, rv: 0 });
    client.minor = 6;
    expect(await client.readers()).toHaveLength(2);
    using again = await served.client();
    expect((await again.version(7)).rv).toBe(0x8010001e);
    expect(await again.version(6)).toEqual({ major: 4, minor: 6, rv: 0 });
  });

  test("an older one than any, and another major, are refused, and may try again", async () => {
    await using served = await overFake();
    using client = await served.client();
    expect((await client.version(1)).rv).toBe(0x8010001d);
    expect(await client.result(Cmd.Version, 3, 4, 0)).toBe(0x8010001d);
    expect((await client.version(4)).rv).toBe(0);
  });

  test("names of 100 bytes, as 1.8.3 has them", async () => {
    await using served = await overFake();
    using client = await served.client({ minor: 2, nameBytes: 100 });
    const context = await client.establish();
    // Its array is longer than it expects, as from any daemon after it; the first connect shows what it is.
    expect((await client.connect(context, card.name)).rv).toBe(0);
    expect((await client.readers()).map(({ name }) => name)).toEqual([card.name, empty.name]);
  });

  test("a refusal stands in the answer to VERSION and to ESTABLISH", async () => {
    const refusal = 0x8010006a;
    await using served = await overFake({ identify: (): Peer => ({ name: "nobody", refusal }) });
    using client = await served.client();
    expect(await client.version()).toEqual({ major: 4, minor: 4, rv: refusal });
    expect(await client.ask(Cmd.Establish, 2, 0, 0)).toEqual([2, 0, refusal]);
    const name = Buffer.concat([client.words(0), Buffer.alloc(128), client.words(2, 3, 0, 0, 0)]);
    client.send(Cmd.Connect, name);
    expect((await client.take(152)).readUInt32LE(148)).toBe(0x80100003);
    expect(served.service.log).toEqual([]);
  });

  test("works without VERSION as well", async () => {
    await using served = await overFake();
    using client = await served.client({ order: "big" });
    const [, context = 0, rv] = await client.ask(Cmd.Establish, 0, 0, 0);
    expect(rv).toBe(0);
    expect((await client.connect(context, card.name)).rv).toBe(0);
  });
});

describe("contexts", () => {
  test("establish twice, and the rules of release", async () => {
    await using served = await overFake();
    using client = await served.client();
    expect(await client.result(Cmd.Release, 1, 0)).toBe(0x80100003);
    const old = await client.establish();
    expect(await client.ask(Cmd.Establish, 9, 0, 0)).toEqual([9, 0, 0x80100011]);
    const [, context = 0] = await client.ask(Cmd.Establish, 3, 0, 0);
    expect(context).not.toBe(old);
    expect(context).toBeGreaterThan(0);
    expect(await client.result(Cmd.Release, old, 0)).toBe(0x80100011);
    expect((await client.connect(old, card.name)).rv).toBe(0x80100011);
    expect(await client.result(Cmd.Release, context, 0)).toBe(0);
    expect(await client.result(Cmd.Release, context, 0)).toBe(0x80100003);
    expect((await client.connect(context, card.name)).rv).toBe(0x80100003);
  });

  test("release closes the handles, and what held the card resets it", async () => {
    await using served = await overFake();
    const [one, witness] = [await served.connected(), await served.connected()];
    await one.client.result(Cmd.Begin, one.handle, 0);
    expect(await one.client.result(Cmd.Release, one.context, 0)).toBe(0);
    expect(await witness.client.result(Cmd.Status, witness.handle, 0)).toBe(RESET);
    one.client.send(Cmd.Status, one.client.words(one.handle, 0));
    await one.client.closed;
  });

  test("200 handles, and one more is refused", async () => {
    await using served = await overFake();
    using client = await served.client();
    const context = await client.establish();
    const handles = new Set<number>();
    for (let times = 0; times < 200; times++)
      handles.add((await client.connect(context, card.name)).card);
    expect(handles.size).toBe(200);
    expect((await client.connect(context, card.name)).rv).toBe(0x80100006);
    await client.result(Cmd.Disconnect, [...handles][7] ?? 0, 0, 0);
    expect((await client.connect(context, card.name)).rv).toBe(0);
  });
});

describe("waiting", () => {
  test.each(dialects)(
    "in %s-endian 4:%i ends with a change, or with STOP, by one message",
    async (order, minor) => {
      await using served = await overFake();
      using client = await served.client({ order, minor });
      await client.establish();
      await client.readers();
      await client.wait();
      served.service.pull(card.name);
      expect(await client.event()).toBe(0);
      served.service.insert(card.name, atr);
      client.stop(); // the event has served as its answer
      expect(await client.readers()).toHaveLength(2);
      expect((await client.readers())[0]).toMatchObject({ eventCounter: 3, atr: "3b80800101" });
      await client.wait();
      client.stop();
      expect(await client.event()).toBe(0);
      client.stop(); // nobody waits
      await client.readers();
      expect(client.left).toBe(0);
    },
  );

  test("4:3 waits after a change that it did not see: its event comes at once", async () => {
    await using served = await overFake();
    using client = await served.client({ minor: 3 });
    await client.establish();
    expect((await client.readers())[0]?.atr).not.toBe("");
    served.service.pull(card.name);
    await client.result(Cmd.Establish, 2, 0, 0); // the change is known here by then
    await client.wait();
    expect(await client.event()).toBe(0);
    expect((await client.readers())[0]?.atr).toBe("");
    await client.wait();
    client.stop();
    expect(await client.event()).toBe(0);
  });

  test("4:6 hears of what happens between WAIT and ARRAY behind the array", async () => {
    await using served = await overFake();
    using client = await served.client({ minor: 6 });
    await client.establish();
    await client.readers();
    client.send(Cmd.Wait);
    const slots = await client.slots();
    served.service.pull(card.name);
    expect(await client.slots()).toBe(slots); // an exchange, by whose end the change is known here
    expect(client.left).toBe(0);
    client.send(Cmd.Array);
    expect((await client.takeArray(slots))[0]?.atr).toBe("");
    expect(await client.event()).toBe(0);
    client.stop();
    await client.readers();
    expect(client.left).toBe(0);
  });

  test("an event carries the plug counter, so that it may cross the question for it", async () => {
    await using served = await overFake();
    using client = await served.client({ minor: 5 });
    await client.establish();
    client.send(Cmd.ReaderEvents);
    expect(await client.takeWords(2)).toEqual([3, 0]);
    await client.wait();
    served.service.plug(fakeReader("New 00 00"));
    expect(await client.takeWords(2)).toEqual([4, 0]);
    client.send(Cmd.ReaderEvents);
    expect(await client.takeWords(2)).toEqual([4, 0]);
  });

  test("a negotiated protocol ends nobody's waiting", async () => {
    await using served = await overFake();
    const other = await served.connected();
    using client = await served.client();
    await client.establish();
    await client.wait();
    await other.client.result(Cmd.Reconnect, other.handle, 2, 3, 1, 0, 0);
    client.send(Cmd.ReaderEvents);
    await client.takeWords(2);
    expect(client.left).toBe(0);
  });

  describe("is cancelled from another connection", () => {
    test("with that one's result, by a message without VERSION, in any byte order", async () => {
      await using served = await overFake();
      using client = await served.client({ minor: 6 });
      const context = await client.establish();
      await client.wait();
      using canceller = await served.client({ order: "big" });
      expect(await canceller.result(Cmd.Cancel, context, 0)).toBe(0);
      expect(await client.event()).toBe(0x80100002);
      await client.readers();
      expect(client.left).toBe(0);
    });

    test("an unknown context is refused, an idle one has nothing to cancel", async () => {
      await using served = await overFake();
      using client = await served.client();
      const context = await client.establish();
      using canceller = await served.client();
      expect(await canceller.result(Cmd.Cancel, context + 1, 0)).toBe(0x80100003);
      expect(await canceller.result(Cmd.Cancel, context, 0)).toBe(0);
      await client.wait();
      client.stop();
      expect(await client.event()).toBe(0);
    });

    test("by another user it is refused", async () => {
      const uids = [1000, 1001, 1000];
      await using served = await overFake({
        identify: () => ({ name: "some", uid: uids.shift() ?? 0 }),
      });
      using client = await served.client();
      const context = await client.establish();
      await client.wait();
      using stranger = await served.client();
      expect(await stranger.result(Cmd.Cancel, context, 0)).toBe(0x80100003);
      using friend = await served.client();
      expect(await friend.result(Cmd.Cancel, context, 0)).toBe(0);
      expect(await client.event()).toBe(0x80100002);
    });
  });
});

describe("slots", () => {
  test("48 for those whose library has 48", async () => {
    const many = Array.from({ length: 40 }, (_, slot) => fakeReader(`Hub ${slot}`));
    await using served = await serve(fakeService(many), { slots: 48 });
    using client = await served.client({ minor: 4, slots: 48 });
    await client.establish();
    expect(await client.readers()).toHaveLength(40);
    expect(await client.wait()).toHaveLength(40);
    using newer = await served.client({ minor: 6 });
    await newer.establish();
    expect(await newer.readers()).toHaveLength(40);
  });

  test("22 readers of two hosts: 4:6 sees all, 4:4 those with a card, then those that were named", async () => {
    const hub = (count: number, withCard: readonly number[]) =>
      fakeService(
        Array.from({ length: count }, (_, slot) =>
          fakeReader(`Hub ${slot} 00 00`, withCard.includes(slot) ? { atr } : {}),
        ),
      );
    const [a, b] = [hub(12, []), hub(10, [3, 9])];
    const merged = new MergedService([
      { label: "a", service: a },
      { label: "b", service: b },
    ]);
    const named = (host: string, slots: readonly number[]) =>
      slots.map((slot) => `Hub ${slot} (${host}) 00 00`);
    const upTo = (count: number) => Array.from({ length: count }, (_, slot) => slot);
    await using served = await serve(merged, { first: ["Hub 7 (?) *", "Hub 8 (b) *"] });
    const seenBy = async (minor: number) => {
      using client = await served.client({ minor });
      await client.establish();
      return (await client.readers()).map(({ name }) => name);
    };
    expect(await seenBy(6)).toEqual([...named("a", upTo(12)), ...named("b", upTo(10))]);
    const before = [
      ...named("b", [3, 9]),
      ...named("a", [7]),
      ...named("b", [7, 8]),
      ...named("a", [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]),
    ];
    for (const minor of [3, 4, 5]) expect(await seenBy(minor)).toEqual(before);
    // One that programs of 4:4 did not see gets a card: a program that waits keeps the readers that it knows, and finds
    // that one when it lists again.
    using waiting = await served.client({ minor: 4 });
    await waiting.establish();
    await waiting.wait();
    b.insert("Hub 0 00 00", atr);
    expect(await waiting.event()).toBe(0);
    expect((await waiting.wait())?.map(({ name }) => name)).toEqual(before);
    waiting.stop();
    expect(await waiting.event()).toBe(0);
    expect((await waiting.readers())[0]?.name).toBe("Hub 0 (b) 00 00");
    // A connect finds even one that has no slot.
    using client = await served.client({ minor: 4 });
    const context = await client.establish();
    const connected = await client.connect(context, "Hub 1 (b) 00 00", { share: 3 });
    expect(connected).toMatchObject({ rv: 0 });
  });

  test("4:6 is told of no fewer than before, whatever is plugged", async () => {
    await using served = await serve(fakeService([]));
    using client = await served.client({ minor: 6 });
    await client.establish();
    const before = await client.slots();
    expect(before).toBeGreaterThanOrEqual(16);
    for (let slot = 0; slot < 30; slot++) served.service.plug(fakeReader(`Hub ${slot}`));
    expect(await client.readers()).toHaveLength(30);
    for (let slot = 0; slot < 30; slot++) served.service.unplug(`Hub ${slot}`);
    expect(await client.slots()).toBeGreaterThanOrEqual(before);
    expect(await client.readers()).toHaveLength(0);
  });
});

describe("answers", () => {
  test("a longer one than the caller's buffer: the card ran it, and the length is told", async () => {
    await using served = await overFake({}, { transmit: () => new Uint8Array(300) });
    const { client, handle } = await served.connected();
    expect(await client.transmit(handle, SELECT, { buffer: 299 })).toMatchObject({
      rv: 0x80100008,
      length: 300,
    });
    expect(await client.transmit(handle, SELECT, { buffer: 300 })).toMatchObject({
      rv: 0,
      length: 300,
    });
    expect(served.service.log.filter((call) => call.startsWith("transmit"))).toHaveLength(2);
  });

  test("the longest command and answer pass", async () => {
    await using served = await overFake({}, { transmit: (apdu) => apdu });
    const { client, handle } = await served.connected();
    const longest = Buffer.alloc(65_548, 0x5a);
    const { rv, data } = await client.transmit(handle, longest);
    expect([rv, data === longest.toString("hex")]).toEqual([0, true]);
  });

  test("a control's and an attribute's length are told as well", async () => {
    const value = Buffer.from("0102030405", "hex");
    await using served = await overFake({}, { control: () => value, attribute: () => value });
    const { client, handle } = await served.connected();
    expect(await client.control(handle, 1)).toEqual({ rv: 0, returned: 5, answer: "0102030405" });
    expect(await client.control(handle, 1, { buffer: 2 })).toMatchObject({
      rv: 0x80100008,
      returned: 5,
    });
    expect(await client.attribute(handle, 1)).toEqual({ rv: 0, length: 5, value: "0102030405" });
    expect(await client.attribute(handle, 1, 2)).toMatchObject({ rv: 0x80100008, length: 5 });
  });
});

describe("what is not allowed ends that connection only", () => {
  const evil: readonly (readonly [string, (client: RawClient, handle: number) => Uint8Array])[] = [
    [
      "a handle that is not its own",
      (client, handle) => Buffer.concat([client.words(8, Cmd.Status), client.words(handle + 1, 0)]),
    ],
    ["a struct of another size", (client) => client.words(12, Cmd.Status, 0, 0, 0)],
    ["an unknown command", (client) => client.words(0, 0x30)],
    ["a command that was never served", (client) => client.words(0, 0x03)],
    [
      "a transmit that is too long",
      (client, handle) => client.words(32, Cmd.Transmit, handle, 2, 16, 65_549, 2, 16, 258, 0),
    ],
    [
      "a length near 2^32",
      (client, handle) => client.words(24, Cmd.Control, handle, 1, 0xffffffff, 264, 0, 0),
    ],
    [
      "an attribute that is too long",
      (client, handle) =>
        Buffer.concat([
          client.words(280, Cmd.SetAttrib, handle, 1),
          Buffer.alloc(264),
          client.words(265, 0),
        ]),
    ],
    [
      "the other byte order in between",
      (client) => words(client.order === "big" ? "little" : "big", 8, Cmd.Status, 0, 0),
    ],
    ["garbage", () => Buffer.from("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")],
  ];

  test.each(
    dialects.flatMap(([order, minor]) =>
      minor === 2 || minor === 5 ? [] : [[order, minor] as const],
    ),
  )("%s-endian 4:%i", async (order, minor) => {
    await using served = await overFake();
    const good = await served.connected();
    for (const [what, bytes] of evil) {
      const bad = await served.connected({ order, minor });
      bad.client.raw(bytes(bad.client, bad.handle));
      await bad.client.closed;
      expect([what, bad.client.left]).toEqual([what, 0]);
    }
    expect(await good.client.result(Cmd.Status, good.handle, 0)).toBe(0);
    await until("all handles to be closed", () => served.service.readers[0]?.sharing === 1);
  });

  test("a first message that is none", async () => {
    await using served = await overFake();
    for (const bytes of ["SSH-2.0-x\r\n", "\0\0\0\0\0\0\0\0", "\xff".repeat(64)]) {
      using client = await served.client();
      client.raw(Buffer.from(bytes, "latin1"));
      await client.closed;
    }
    await until("all to be gone", () => served.front.applications === 0);
  });

  test("one that names a handle of another application", async () => {
    await using served = await overFake();
    const [one, two] = [await served.connected(), await served.connected()];
    two.client.send(Cmd.Disconnect, two.client.words(one.handle, 1, 0));
    await two.client.closed;
    expect(await one.client.result(Cmd.Status, one.handle, 0)).toBe(0);
  });
});

describe("a client that does not read", () => {
  test("is not served on when it has the bound unread of a card's answers either", async () => {
    await using served = await overFake({}, { transmit: () => new Uint8Array(65_538) });
    const { client, handle } = await served.connected();
    using idle = client;
    idle.reads(false);
    const [questions, longest] = [100, 32 + 65_538];
    for (let asked = 0; asked < questions; asked++)
      idle.send(Cmd.Transmit, idle.words(handle, 2, 16, SELECT.length, 3, 16, 65_548, 0), SELECT);
    const good = await served.connected();
    for (let times = 0; times < 300; times++) await good.client.result(Cmd.Status, good.handle, 0);
    const unread = served.sockets[0]?.writableLength ?? 0;
    expect(unread).toBeGreaterThan(0);
    expect(unread).toBeLessThanOrEqual((1 << 20) + longest);
    idle.reads(true);
    for (let asked = 0; asked < questions; asked++) await idle.take(longest);
    expect(await idle.result(Cmd.Status, handle, 0)).toBe(0);
  });

  test("costs no more than its bound, delays nobody, and loses nothing", async () => {
    await using served = await overFake();
    using idle = await served.client({ minor: 6 });
    await idle.establish();
    const slots = await idle.slots();
    idle.reads(false);
    const questions = 1_000;
    const question = Buffer.concat([words("little", 0, Cmd.Array)]);
    for (let asked = 0; asked < questions; asked++) idle.raw(question);
    const good = await served.connected();
    for (let times = 0; times < 200; times++) await good.client.result(Cmd.Status, good.handle, 0);
    const unread = served.sockets[0]?.writableLength ?? 0;
    expect(unread).toBeGreaterThan(0);
    expect(unread).toBeLessThanOrEqual((1 << 20) + slots * 184);
    idle.reads(true);
    for (let asked = 0; asked < questions; asked++)
      expect(await idle.takeArray(slots)).toHaveLength(2);
    expect(idle.left).toBe(0);
  });

  test("and floods while a command of its runs is not read further", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using served = await overFake(
      {},
      { before: async ({ name }) => (name === "transmit" ? await held : undefined) },
    );
    const { client, handle } = await served.connected();
    const answer = client.transmit(handle, SELECT);
    const flood = Buffer.concat(
      Array.from({ length: 100_000 }, () => words("little", 8, Cmd.Status, handle, 0)),
    );
    client.raw(flood);
    await until("it to be read no further", () => served.sockets[0]?.isPaused());
    expect(served.sockets[0]?.bytesRead).toBeLessThan(flood.length / 2);
    release();
    expect((await answer).rv).toBe(0);
    for (let times = 0; times < 100; times++) await client.take(800);
    expect(await client.takeWords(2)).toEqual([handle, 0]);
  });
});
