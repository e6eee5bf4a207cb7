import { randomBytes } from "node:crypto";
import { type Duplex, duplexPair } from "node:stream";
import { expect } from "vitest";
import { CardwireError } from "../../src/domain/errors.ts";
import { ServedLink } from "../../src/fronts/link/served-link.ts";
import { Hall } from "../../src/link/hall.ts";
import { remoteService } from "../../src/services/remote/service.ts";
import { SoftwareReaders } from "../../src/services/software/service.ts";
import { encodeFrame, kinds, Reason, Type } from "../../src/wire/link/frames.ts";
import { Draw } from "../fuzz/draw.ts";
import { keptMemory } from "./kept-memory.ts";

// What no cardwire would send, to both ends of a link. Beside it a well-behaved program works on, and notices nothing.

const FUZZED = "Fuzzed 00 00";
const QUIET = "Quiet 01 00";
const PATIENCE = { graceMs: 60, lockMs: 20 };
const LONG = { graceMs: 20_000, lockMs: 10_000 };
/** Frames of one connection, at most. */
const MOST_FRAMES = 16;
/**
 * How much more may be kept at the end than at half time, MiB. Measured with 75,000 frames to a server and 25,000 to a
 * client between the two, on Node.js 20.20, three times each: −0.7 to +0.4. They are 8,800 connections, so that 250 bytes
 * of each are found.
 */
const MOST_GROWTH = 2;
/** How long the last session may wait for its client, ms: nonsense may have asked for all of {@link LONG}. */
const LAST_MS = LONG.graceMs + 10_000;

const card = {
  atr: Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01),
  process: (command: Uint8Array) => Uint8Array.of(...command.subarray(2, 4), 0x90, 0x00),
};

const types = Object.values(Type);

/** A frame of any kind with small numbers, so that many mean something; sometimes spoilt. */
function anyFrame(draw: Draw): Uint8Array {
  const type = draw.pick(types);
  const { layout, tail } = kinds[type];
  const bytes = new Uint8Array(8 + layout.size + Math.min(tail, draw.below(40)));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length - 8);
  view.setUint32(4, type);
  for (let at = 8; at + 4 <= bytes.length; at += 4)
    view.setUint32(at, draw.below(8) === 0 ? draw.below(2 ** 32) : draw.below(4));
  if (type === Type.Connect) bytes.set(Buffer.from(`${FUZZED}\0`), 8 + 20);
  if (draw.below(20) === 0) bytes[draw.below(bytes.length)] = draw.below(256);
  return draw.below(40) === 0 ? bytes.subarray(0, draw.below(bytes.length)) : bytes;
}

/** Two ends in this process; each hears of the other's end, as a socket's do. */
function pair(): readonly [Duplex, Duplex] {
  const [near, far] = duplexPair();
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on("error", () => {});
    one.on("close", () => other.destroy());
  }
  return [near, far];
}

/** One who works through a link all the time. Counts what he got, and fails if anything is wrong. */
function worker(hall: Hall) {
  const stop = new AbortController();
  let turns = 0;
  const work = async (): Promise<number> => {
    const open = async (): Promise<Duplex> => {
      const [near, far] = pair();
      hall.accept(far);
      return near;
    };
    const signal = AbortSignal.timeout(3_600_000);
    const options = { pipelining: true, prefetch: true, patience: LONG, about: "a worker" };
    await using remote = await remoteService({ name: "worker", open }, options, { signal });
    const how = { share: 2, protocols: 3, principal: { name: "worker" } };
    while (!stop.signal.aborted) {
      const { session } = await remote.connect(QUIET, how, { signal });
      await session.begin({ signal });
      const command = Uint8Array.of(0, 1, turns >> 8, turns);
      const { data } = await session.transmit(command, { send: 2, receive: 2 });
      expect([...data]).toEqual([(turns >> 8) & 0xff, turns & 0xff, 0x90, 0x00]);
      await session.end(0);
      await session.disconnect(0);
      turns += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(remote.figures.resumptions).toBe(0);
    return turns;
  };
  const done = work();
  done.catch(() => {}); // whoever ends it hears of it
  return {
    end: async (): Promise<number> => {
      stop.abort();
      return await done;
    },
  };
}

export interface FuzzOptions {
  /** Sees to it that the second half leaves nothing behind in memory. Off: it takes some seconds. */
  readonly measured?: boolean;
}

/** Sends frames to a server. @returns how many, and how many turns the worker had meanwhile. */
export async function fuzzServer(
  frames: number,
  seed: number,
  { measured = false }: FuzzOptions = {},
): Promise<readonly [number, number]> {
  const draw = new Draw(seed);
  await using service = new SoftwareReaders([FUZZED, QUIET]);
  for (const reader of [FUZZED, QUIET]) await service.insert(reader, card);
  await using hall = new Hall({
    most: LONG,
    features: 0,
    about: () => "fuzzed",
    serve: (end) => new ServedLink(service, end, { name: "fuzz" }),
  });
  const well = worker(hall);
  const settled = () => expect.poll(() => hall.size, { timeout: LAST_MS }).toBe(1);
  let half: number | undefined;
  let sent = 0;
  while (sent < frames) {
    if (measured && half === undefined && sent >= frames / 2) {
      await settled();
      half = await keptMemory();
    }
    const [near, far] = pair();
    hall.accept(far);
    if (draw.below(4) !== 0) near.resume(); // else it never reads
    if (draw.below(10) !== 0) near.write(greeting());
    for (let left = draw.below(MOST_FRAMES) + 1; left > 0 && !near.destroyed; left -= 1) {
      near.write(anyFrame(draw));
      sent += 1;
      if (draw.below(4) === 0) await new Promise(setImmediate);
    }
    await new Promise(setImmediate);
    if (draw.below(5) === 0) near.end();
    setTimeout(() => near.destroy(), draw.below(20)).unref();
  }
  await settled();
  if (half !== undefined) expect((await keptMemory()) - half).toBeLessThan(MOST_GROWTH);
  const turns = await well.end();
  await expect.poll(() => service.readers.map(({ sharing }) => sharing)).toEqual([0, 0]);
  return [sent, turns];
}

const greeting = (): Uint8Array =>
  encodeFrame(Type.Open, {
    lowest: 1,
    highest: 1,
    features: 0,
    ...PATIENCE,
    session: randomBytes(16),
    secret: randomBytes(32),
  });

/** A client that is sent nonsense may give up, but only with an error that is meant for people. @throws any other. */
function refusedInWords(error: unknown): undefined {
  if (!CardwireError.is(error)) throw error;
}

/** Answers a client with frames. @returns how many. */
export async function fuzzClient(
  frames: number,
  seed: number,
  { measured = false }: FuzzOptions = {},
): Promise<number> {
  const draw = new Draw(seed);
  const count = { sent: 0 };
  const signal = AbortSignal.timeout(3_600_000);
  let half: number | undefined;
  while (count.sent < frames) {
    if (measured && half === undefined && count.sent >= frames / 2) half = await keptMemory();
    const open = async (): Promise<Duplex> => {
      const [near, far] = pair();
      far.resume();
      const granted = { version: 1, features: 0, ...PATIENCE };
      if (draw.below(10) !== 0) far.write(encodeFrame(Type.Opened, granted));
      if (draw.below(10) !== 0) far.write(encodeFrame(Type.Readers, { length: 0 }));
      for (let left = draw.below(MOST_FRAMES) + 1; left > 0; left -= 1) {
        far.write(anyFrame(draw));
        count.sent += 1;
      }
      if (draw.below(4) === 0) far.end(encodeFrame(Type.Close, { reason: Reason.Closed }));
      setTimeout(() => far.destroy(), draw.below(20)).unref();
      return near;
    };
    const options = { pipelining: true, prefetch: true, patience: PATIENCE, about: "fuzzed" };
    const started = remoteService({ name: "fuzzed", open }, options, { signal });
    const remote = await started.catch(refusedInWords);
    if (!remote) continue;
    const how = { share: 2, protocols: 3, principal: { name: "fuzzed" } };
    const late = AbortSignal.timeout(30);
    await remote.connect(FUZZED, how, { signal: late }).catch((error: unknown) => {
      if (!late.aborted) refusedInWords(error);
    });
    await remote[Symbol.asyncDispose]();
  }
  if (half !== undefined) expect((await keptMemory()) - half).toBeLessThan(MOST_GROWTH);
  return count.sent;
}
