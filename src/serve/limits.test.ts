import { setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dialTls } from "../carriers/tls/dial.ts";
import { Protocol } from "../carriers/tls/protocols.ts";
import { Rv } from "../domain/return-codes.ts";
import { type JoinedHost, readHost } from "../joined/hosts.ts";
import { joinHost } from "../joined/join.ts";
import { JoinedWay } from "../joined/way.ts";
import { type Events, listen } from "../observe/events.ts";
import { Arbiter } from "../services/arbiter/arbiter.ts";
import { type RemoteService, remoteService } from "../services/remote/service.ts";
import { fakeReader, fakeService } from "../testing/index.ts";
import { parseToken } from "../wire/join/token.ts";
import { encodeFrame, type Frame, FrameDecoder, Type } from "../wire/link/frames.ts";
import { grantedReaders } from "./granted.ts";
import type { IdentityLimits } from "./identity-limits.ts";
import { invite } from "./invite.ts";
import { openServe, type Serve } from "./server.ts";
import { openStore } from "./store.ts";

// mallory and alice are both invited, and he wants everything for himself. Links are real ones, over TLS.

const PATIENCE = { graceMs: 5_000, lockMs: 2_000 };
const NAME = "Yubi 00 00";
const PCI = { send: 2, receive: 2 };
const signal = AbortSignal.timeout(120_000);
setMaxListeners(0, signal);

let folder: string;
let serve: Serve;
let arbiter: Arbiter;
let limited: Events["cardwire:limit"][];
/** The first byte of each command that reached the card, in order. */
let reached: number[];
/** While it is set, the card does not answer. */
let gate: Promise<void> | undefined;
let open: () => void = () => {};
const ends: AsyncDisposable[] = [];

async function start(limits: Partial<IdentityLimits>) {
  serve = await openServe({
    addresses: ["127.0.0.1"],
    port: 0,
    host: "cardhost",
    view: grantedReaders(arbiter),
    most: PATIENCE,
    limits: () => limits,
    about: () => "cardwire",
    path: join(folder, "serve"),
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limits-"));
  limited = [];
  reached = [];
  gate = undefined;
  const reader = fakeReader(NAME, { atr: Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01) });
  const service = fakeService([reader], {
    transmit: async ([first = 0]) => {
      reached.push(first);
      await gate;
      await new Promise(setImmediate);
      return Uint8Array.of(0x90, 0);
    },
  });
  arbiter = new Arbiter(service, { policy: () => "shared" });
  const listening = listen("cardwire:limit", (event) => limited.push(event));
  ends.push({ [Symbol.asyncDispose]: async () => listening[Symbol.dispose]() });
});
afterEach(async () => {
  open();
  for (const one of ends.splice(0)) await one[Symbol.asyncDispose]();
  await serve[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function joined(name: string): Promise<JoinedHost> {
  const store = await openStore(join(folder, "serve"));
  const told = { addresses: ["127.0.0.1"], port: serve.port, readers: [], profile: "use" } as const;
  const { token } = await invite(store, "cardhost", { name, lifetimeMs: 60_000, ...told });
  return await joinHost(parseToken(token), { name, path: join(folder, "hosts") }, { signal });
}

async function linked(host: string): Promise<RemoteService> {
  const way = new JoinedWay(host, join(folder, "hosts"));
  const options = { pipelining: true, prefetch: true, patience: PATIENCE, about: "a test" };
  const remote = await remoteService(way, options, { signal });
  ends.unshift(remote, way);
  return remote;
}

const connected = async (remote: RemoteService) => {
  const how = { share: 2, protocols: 3, principal: { name: "x" } };
  return (await remote.connect(NAME, how, { signal })).session;
};

const close = () => {
  gate = new Promise((resolve) => {
    open = resolve;
  });
};

test("links: what is too much is refused, told once, and others come in", async () => {
  await start({ links: 3 });
  await joined("mallory");
  await joined("alice");
  for (let n = 0; n < 3; n += 1) await linked("mallory");
  for (let n = 0; n < 5; n += 1)
    await expect(linked("mallory")).rejects.toMatchObject({
      code: "E_LINK",
      message: "the other cardwire refuses the link: mallory has 3 links already",
    });
  expect((await linked("alice")).readers).toHaveLength(1);
  expect(limited).toEqual([{ identity: "mallory", what: "links", most: 3 }]);
  // One that ends makes room.
  await ends.shift()?.[Symbol.asyncDispose](); // alice's
  await ends[1]?.[Symbol.asyncDispose]();
  await ends[2]?.[Symbol.asyncDispose]();
  await expect.poll(() => linked("mallory").catch(() => undefined)).toBeDefined();
});

describe("who comes and goes in a loop keeps nobody from his card, nor from coming in", () => {
  test.each([
    ["with a link each time", true, 32],
    ["before it shows who he is", false, 32],
  ] as const)(
    "%s",
    async (_, waits, atOnce) => {
      await start({ links: 4 });
      const host = await joined("mallory");
      await joined("alice");
      const alice = await connected(await linked("alice"));
      let handshakes = 0;
      const over = new AbortController();
      setMaxListeners(0, over.signal);
      const within = { credentials: host.credentials, signal: over.signal };
      const loops = Array.from({ length: 16 }, async () => {
        while (!over.signal.aborted) {
          const dialled = await dialTls(host, Protocol.Link, within).catch(() => undefined);
          if (dialled) handshakes += 1;
          if (waits) await delay(5, undefined, within).catch(() => {});
          dialled?.stream.destroy();
        }
      });
      const began = performance.now();
      const took: number[] = [];
      const told = { identity: "mallory", what: "arrivals a second", most: 10 };
      const his = () => limited.filter(({ identity }) => identity === "mallory"); // alice is as fast as she may be
      const isThrough = () => handshakes >= atOnce && (!waits || his().length > 0);
      const lasts = () => performance.now() - began;
      while (lasts() < 2_000 || (!isThrough() && lasts() < 30_000)) {
        const sent = performance.now();
        await alice.transmit(Uint8Array.of(0xaa, 0, 0, 0), PCI);
        took.push(performance.now() - sent);
      }
      const seconds = lasts() / 1_000;
      over.abort();
      await Promise.all(loops);
      expect(handshakes).toBeGreaterThanOrEqual(atOnce);
      // Those that had begun when he was slowed down, one of each loop, are still carried out.
      expect(handshakes).toBeLessThanOrEqual(atOnce + 16 + 10 * seconds);
      expect(Math.max(...took)).toBeLessThan(1_000);
      expect(his()).toEqual(waits ? [told] : []);
      expect((await linked("alice")).readers).toHaveLength(1);
    },
    60_000,
  );
});

test("handles: over all links of one, and only his", async () => {
  await start({ handles: 4 });
  await joined("mallory");
  await joined("alice");
  const links = [await linked("mallory"), await linked("mallory")];
  const sessions = await Promise.all(links.flatMap((one) => [connected(one), connected(one)]));
  for (const one of links)
    await expect(connected(one)).rejects.toMatchObject({ code: "SCARD_E_SERVER_TOO_BUSY" });
  const alice = await connected(await linked("alice"));
  expect((await alice.transmit(Uint8Array.of(1, 0, 0, 0), PCI)).data).toHaveLength(2);
  expect(limited).toEqual([{ identity: "mallory", what: "handles", most: 4 }]);
  await sessions[0]?.disconnect(0);
  const [, second] = links;
  await expect.poll(() => second && connected(second).catch(() => undefined)).toBeDefined();
});

test("commands: a flood waits, and another's goes between", async () => {
  await start({ handles: 64 });
  await joined("mallory");
  await joined("alice");
  const links = [await linked("mallory"), await linked("mallory"), await linked("mallory")];
  const handles = await Promise.all(
    links.flatMap((one) => Array.from({ length: 20 }, () => one)).map(connected),
  );
  const alice = await connected(await linked("alice"));
  const over = new AbortController();
  const flood = handles.map(async (handle) => {
    while (!over.signal.aborted) await handle.transmit(Uint8Array.of(0xee, 0, 0, 0), PCI);
  });
  await expect.poll(() => reached.length).toBeGreaterThan(100);
  for (let n = 0; n < 20; n += 1) {
    const own = Uint8Array.of(n, 0, 0, 0);
    close();
    const before = reached.length;
    const asked = alice.transmit(own, PCI);
    // Until hers waits, the card is busy with one of his.
    await expect
      .poll(() => arbiter.attendance(NAME).waiting.some(({ identity }) => identity === "alice"))
      .toBe(true);
    expect(arbiter.attendance(NAME).waiting.length).toBeGreaterThan(20);
    open();
    gate = undefined;
    await asked;
    const place = reached.indexOf(n, before) - before;
    expect(place).toBeLessThanOrEqual(4);
  }
  over.abort();
  await Promise.all(flood);
}, 60_000);

test("commands a second: those beyond are late, none is lost, and it is told once", async () => {
  await start({ perSecond: 100 });
  await joined("mallory");
  await joined("alice");
  const handles = await Promise.all(
    Array.from({ length: 8 }, () => 0).map(async () => await connected(await linked("mallory"))),
  );
  const alice = await connected(await linked("alice"));
  const since = performance.now();
  await Promise.all(
    handles.map(async (handle) => {
      for (let n = 0; n < 30; n += 1) await handle.transmit(Uint8Array.of(0xee, n, 0, 0), PCI);
    }),
  );
  expect(reached.filter((one) => one === 0xee)).toHaveLength(240);
  // 100 of these 248 calls are free, and the others take 10 ms each.
  expect(performance.now() - since).toBeGreaterThan(1_000);
  await alice.transmit(Uint8Array.of(1, 0, 0, 0), PCI);
  expect(limited).toEqual([{ identity: "mallory", what: "commands a second", most: 100 }]);
}, 60_000);

test("bytes: what is sent although nothing is answered is refused, and others are served", async () => {
  await start({ bytes: 1 << 20, handles: 256 });
  const host = await joined("mallory");
  await joined("alice");
  close();
  const { credentials } = await readHost("mallory", join(folder, "hosts"));
  const { stream } = await dialTls(host, Protocol.Link, { credentials, signal });
  const decoder = new FrameDecoder();
  const answers: Frame[] = [];
  stream.on("data", (chunk: Uint8Array) => {
    decoder.push(chunk);
    for (let frame = decoder.next(); frame; frame = decoder.next())
      answers.push({ ...frame, tail: new Uint8Array(frame.tail) });
  });
  const ended = new Promise((resolve) => stream.once("close", resolve));
  stream.on("error", () => {});
  const session = new Uint8Array(16).fill(7);
  const secret = new Uint8Array(32).fill(7);
  const versions = { lowest: 1, highest: 1, features: 0 };
  stream.write(encodeFrame(Type.Open, { ...versions, ...PATIENCE, session, secret }));
  let call = 0;
  const connect = (card: number) =>
    encodeFrame(Type.Connect, {
      card,
      call: ++call,
      flags: 0,
      share: 2,
      protocols: 3,
      reader: NAME,
    });
  const transmit = (card: number) => {
    const body = { card, call: ++call, flags: 0, sendProtocol: 2, receiveProtocol: 2 };
    return encodeFrame(Type.Transmit, body, new Uint8Array(60_000));
  };
  for (let card = 1; card <= 60; card += 1) stream.write(connect(card));
  const results = () => answers.filter((one) => one.type === Type.Result);
  await expect.poll(() => results().length).toBe(60);
  for (let card = 1; card <= 60; card += 1) stream.write(transmit(card));
  // 17 of 60,000 bytes go into a mebibyte.
  await expect.poll(() => results().length).toBeGreaterThanOrEqual(60 + 42);
  for (const { body } of results().slice(60)) expect(body).toMatchObject({ rv: Rv.ServerTooBusy });
  expect(limited).toEqual([{ identity: "mallory", what: "bytes", most: 1 << 20 }]);
  // Others are served as before.
  const alice = await linked("alice");
  const connecting = connected(alice);
  open();
  gate = undefined;
  await (await connecting).transmit(Uint8Array.of(1, 0, 0, 0), PCI);
  stream.destroy();
  await ended;
}, 60_000);
