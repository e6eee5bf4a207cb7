import { randomBytes } from "node:crypto";
import { type Duplex, duplexPair, PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { openLink } from "./client.ts";
import { Hall } from "./hall.ts";

const PATIENCE = { graceMs: 60_000, lockMs: 1_000 };
const signal = AbortSignal.timeout(30_000);

/** Two ends, of which the second hears what the first says so much later. */
function slowPair(ms: () => number): [Duplex, Duplex] {
  const [near, one] = duplexPair();
  const [two, far] = duplexPair();
  const late = new PassThrough({
    transform: (chunk: Uint8Array, _, done) =>
      void delay(ms(), undefined, { ref: false }).then(() => done(null, chunk)),
  });
  one.pipe(late).pipe(two);
  two.pipe(one);
  return [near, far];
}

test.each([
  ["waits until the other end knows", 100, 0],
  ["does not wait for ever", 60_000, 1],
])("who ends a link %s", async (_, ms, left) => {
  const secret = randomBytes(32);
  await using hall = new Hall({
    secret,
    most: PATIENCE,
    features: 0,
    about: () => "the far end",
    serve: () => ({
      frame: () => {},
      up: () => {},
      down: () => {},
      unlock: () => {},
      over: () => {},
    }),
  });
  let lateMs = 0;
  const dial = async (): Promise<Duplex> => {
    const [near, far] = slowPair(() => lateMs);
    hall.accept(far);
    return near;
  };
  const owner = { frame: () => {}, down: () => {}, up: () => {}, over: () => {} };
  const client = await openLink(
    { dial, secret, owner, patience: PATIENCE, about: "a test" },
    { signal },
  );
  lateMs = ms;
  const began = performance.now();
  await client.close();
  expect(hall.size).toBe(left);
  expect(performance.now() - began).toBeLessThan(10_000);
});
