import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import { ProtocolError } from "../../domain/errors.ts";
import type { Leasing } from "../../domain/leasing.ts";
import { LinkEnd, type SessionFrame } from "../../link/end.ts";
import { FrameStream } from "../../link/frame-stream.ts";
import { LeaseReason, Type } from "../../wire/link/frames.ts";
import { ServedLeases } from "./served-leases.ts";

const wish = { flags: 0, forMs: 1_000, reader: "Card 00 00" };

/** Leases of one link, and what its other end is told. */
function served(leasing?: Leasing) {
  const told: SessionFrame[] = [];
  const owner = { down: () => {}, over: () => {} };
  const end = new LinkEnd({ ...owner, frame: () => {} });
  const near = new LinkEnd({
    ...owner,
    frame: (frame) => void told.push({ ...frame, tail: new Uint8Array(frame.tail) }),
  });
  const [one, other] = duplexPair();
  near.attach(new FrameStream(one), 0);
  end.attach(new FrameStream(other), 0);
  const leases = new ServedLeases(end, leasing);
  const ask = (lease: number) =>
    leases.frame({ type: Type.Lease, body: { lease, ...wish }, tail: new Uint8Array(0) });
  return { leases, ask, told };
}

const never: Leasing = {
  lease: (_reader, _wish, { signal }) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason)),
    ),
};

test("a number that is in use, or too many, end the session", () => {
  const { ask } = served(never);
  ask(1);
  expect(() => ask(1)).toThrow(ProtocolError);
  for (let number = 2; number <= 64; number += 1) ask(number);
  expect(() => ask(65)).toThrow("too many leases");
});

test("what is renewed or released and is over is passed over; what never was is another's", async () => {
  const { leases, ask, told } = served(never);
  const tail = new Uint8Array(0);
  const renew = () => leases.frame({ type: Type.Renew, body: { lease: 1, forMs: 5 }, tail });
  const release = () => leases.frame({ type: Type.Release, body: { lease: 1 }, tail });
  expect(renew).toThrow("there is no lease 1");
  expect(release).toThrow("there is no lease 1");
  ask(1);
  release();
  await expect.poll(() => told).toHaveLength(1);
  expect(told[0]).toMatchObject({
    type: Type.LeaseOver,
    body: { lease: 1, reason: LeaseReason.Refused },
  });
  renew();
  release();
  ask(1); // the number is free again
});

test("renewals that come while one waits are one, and each is answered", async () => {
  const turns = [deferred(), deferred()];
  const renewed: number[] = [];
  const { leases, ask, told } = served({
    lease: async (reader) => ({
      reader,
      fence: 1,
      expiresAt: Date.now(),
      ended: new AbortController().signal,
      renew: async (forMs) => await turns[renewed.push(forMs) - 1]?.promise,
      release: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }),
  });
  ask(1);
  await expect.poll(() => told).toHaveLength(1);
  for (let forMs = 1; forMs <= 1_000; forMs += 1)
    leases.frame({ type: Type.Renew, body: { lease: 1, forMs }, tail: new Uint8Array(0) });
  expect(renewed).toEqual([1]);
  for (const { resolve } of turns) resolve();
  await expect.poll(() => told).toHaveLength(1 + 1_000);
  expect(renewed).toEqual([1, 1_000]);
});

test("one that is granted in the moment in which it is given up is released", async () => {
  let released = 0;
  const ended = new AbortController();
  const release = async () => {
    released += 1;
    ended.abort(new Error("it was released"));
  };
  const { leases, ask, told } = served({
    lease: async (reader) => ({
      reader,
      fence: 1,
      expiresAt: Date.now(),
      ended: ended.signal,
      renew: () => {},
      release,
      [Symbol.asyncDispose]: release,
    }),
  });
  ask(1);
  leases.over();
  await expect.poll(() => released).toBe(1);
  await expect.poll(() => told.map(({ type }) => type)).toEqual([Type.Leased, Type.LeaseOver]);
});
