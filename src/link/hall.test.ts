import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { CardwireError } from "../domain/errors.ts";
import {
  type Body,
  encodeFrame,
  type Frame,
  FrameDecoder,
  Reason,
  Type,
} from "../wire/link/frames.ts";
import { Hall } from "./hall.ts";
import { prove } from "./proof.ts";
import { HIGHEST } from "./versions.ts";

const secret = randomBytes(32);
const session = randomBytes(16);
const halls: Hall[] = [];
afterEach(async () => {
  for (const hall of halls.splice(0)) await hall[Symbol.asyncDispose]();
});

/** What was served, as it happened. */
function makeHall(patience = { graceMs: 300, lockMs: 100 }): { hall: Hall; seen: string[] } {
  const seen: string[] = [];
  const hall = new Hall({
    secret,
    most: patience,
    features: 0,
    about: () => "the far end",
    serve: (end) => ({
      frame: ({ type }) => {
        seen.push(`frame ${type.toString(16)}`);
        end.send(Type.Notice, { card: 1, rv: seen.length });
      },
      up: () => void seen.push("up"),
      down: () => void seen.push("down"),
      unlock: () => void seen.push("unlock"),
      over: () => void seen.push("over"),
    }),
    left: () => void seen.push("left"),
  });
  halls.push(hall);
  return { hall, seen };
}

/** A connection, byte by byte. */
class Visitor {
  readonly stream: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #frames: Frame[] = [];

  constructor(hall: Hall, name?: string) {
    const [near, far] = duplexPair();
    this.stream = near;
    near.on("error", () => {});
    // As a socket's, each end hears of the other's.
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    near.on("data", (chunk: Uint8Array) => {
      this.#decoder.push(chunk);
      for (let next = this.#decoder.next(); next; next = this.#decoder.next())
        this.#frames.push({ ...next, tail: new Uint8Array(next.tail) });
    });
    hall.accept(far, name === undefined ? undefined : { name });
  }

  say(bytes: Uint8Array): void {
    this.stream.write(bytes);
  }

  /** The next frame, pings left out. */
  async hear(): Promise<Frame> {
    for (;;) {
      const next = this.#frames.shift();
      if (next && next.type !== Type.Ping) return next;
      if (!next) await Promise.race([once(this.stream, "data"), once(this.stream, "close")]);
      if (this.stream.destroyed && this.#frames.length === 0) throw new Error("it hung up");
    }
  }
}

const greeting = (change: Partial<Body<typeof Type.Open>> = {}): Uint8Array =>
  encodeFrame(
    Type.Open,
    {
      lowest: 1,
      highest: 9,
      features: 7,
      graceMs: 60_000,
      lockMs: 60_000,
      session,
      secret,
      ...change,
    },
    Buffer.from("a visitor"),
  );

const resume = (attempt: number, received: number, by = secret): Uint8Array =>
  encodeFrame(Type.Resume, {
    session,
    attempt,
    received,
    proof: prove(by, { by: "client", session, attempt, received }),
  });

const begin = encodeFrame(Type.Begin, { card: 1, call: 0, flags: 1 });

test("a session is opened with the highest version of both, and no more than is offered", async () => {
  const { hall } = makeHall();
  const visitor = new Visitor(hall);
  visitor.say(greeting());
  const { type, body, tail } = await visitor.hear();
  expect(type).toBe(Type.Opened);
  expect(body).toEqual({ version: HIGHEST, features: 0, graceMs: 300, lockMs: 100 });
  expect(Buffer.from(tail).toString()).toBe("the far end");
});

test.each([
  ["another secret", greeting({ secret: randomBytes(32) }), Reason.Proof],
  ["a version that is not spoken", greeting({ lowest: 8 }), Reason.Version],
  ["a session that there is not", resume(1, 0), Reason.Unknown],
])("%s is refused with its reason", async (_, bytes, reason) => {
  const { hall, seen } = makeHall();
  const visitor = new Visitor(hall);
  visitor.say(bytes);
  expect(await visitor.hear()).toMatchObject({ type: Type.Refused, body: { reason } });
  expect([hall.size, seen]).toEqual([0, []]);
});

test.each([
  ["a frame in its place", begin],
  ["garbage", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
])("%s instead of a greeting is hung up on", async (_, bytes) => {
  const visitor = new Visitor(makeHall().hall);
  visitor.say(bytes);
  await expect(visitor.hear()).rejects.toThrow("it hung up");
});

test("who comes back gets what it has not got, and nothing twice", async () => {
  const { hall, seen } = makeHall();
  const first = new Visitor(hall);
  first.say(greeting());
  await first.hear();
  first.say(Buffer.concat([begin, begin, begin]));
  const answers = [await first.hear(), await first.hear(), await first.hear()];
  expect(answers.map(({ type }) => type)).toEqual([Type.Notice, Type.Notice, Type.Notice]);
  first.stream.destroy();
  await expect.poll(() => seen.at(-1)).toBe("down");
  const second = new Visitor(hall);
  second.say(resume(1, 1));
  const resumed = await second.hear();
  const claim = { by: "server", session, attempt: 1, received: 3 } as const;
  expect(resumed.body).toEqual({ received: 3, proof: new Uint8Array(prove(secret, claim)) });
  expect([await second.hear(), await second.hear()]).toEqual(answers.slice(1));
  expect(seen.filter((one) => one.startsWith("frame"))).toHaveLength(3);
  expect(seen).not.toContain("unlock");
});

/** Opens a session, and resumes it over a second connection before the first has broken. */
async function comeBack(hall: Hall): Promise<{ first: Visitor; again: Visitor }> {
  const first = new Visitor(hall);
  first.say(greeting());
  await first.hear();
  const again = new Visitor(hall);
  again.say(resume(1, 0));
  expect((await again.hear()).type).toBe(Type.Resumed);
  return { first, again };
}

test("who comes back without the secret, or with old words, is refused; the session goes on", async () => {
  const { hall } = makeHall();
  const { again } = await comeBack(hall);
  for (const bytes of [resume(1, 0), resume(2, 0, randomBytes(32)), greeting()]) {
    const other = new Visitor(hall);
    other.say(bytes);
    expect(await other.hear()).toMatchObject({
      type: Type.Refused,
      body: { reason: Reason.Proof },
    });
  }
  again.say(begin);
  expect((await again.hear()).type).toBe(Type.Notice);
});

test("a session goes on only with the one who opened it, though another has its secret", async () => {
  const { hall } = makeHall();
  const alice = new Visitor(hall, "alice");
  alice.say(greeting());
  await alice.hear();
  for (const other of ["bob", undefined]) {
    const visitor = new Visitor(hall, other);
    visitor.say(resume(1, 0));
    expect(await visitor.hear()).toMatchObject({
      type: Type.Refused,
      body: { reason: Reason.Unknown },
    });
  }
  const again = new Visitor(hall, "alice");
  again.say(resume(1, 0));
  expect((await again.hear()).type).toBe(Type.Resumed);
});

test("those who are not to be here any more are sent away, others stay", async () => {
  const { hall, seen } = makeHall();
  const alice = new Visitor(hall, "alice");
  alice.say(greeting());
  const bob = new Visitor(hall, "bob");
  bob.say(greeting({ session: randomBytes(16) }));
  await Promise.all([alice.hear(), bob.hear()]);
  hall.dismiss(({ name }) => name === "alice", new CardwireError("E_CLOSED", "alice was revoked"));
  expect(await alice.hear()).toMatchObject({ type: Type.Close });
  expect(hall.size).toBe(1);
  expect(seen.filter((what) => what === "over")).toHaveLength(1);
  bob.say(begin);
  expect((await bob.hear()).type).toBe(Type.Notice);
});

test("who comes back before anybody noticed the break is not given up later", async () => {
  const { hall, seen } = makeHall({ graceMs: 60, lockMs: 30 });
  const { first } = await comeBack(hall);
  await expect(first.hear()).rejects.toThrow("it hung up");
  await new Promise((resolve) => setTimeout(resolve, 120)); // twice its patience
  expect([hall.size, seen]).toEqual([1, ["up", "up"]]);
});

test("who comes back with a count that cannot be ends the session", async () => {
  const { hall, seen } = makeHall({ graceMs: 60_000, lockMs: 60_000 });
  const first = new Visitor(hall);
  first.say(greeting());
  await first.hear();
  first.stream.destroy();
  await expect.poll(() => seen).toEqual(["up", "down"]);
  const again = new Visitor(hall);
  again.say(resume(1, 5));
  await expect(again.hear()).rejects.toThrow("it hung up");
  expect([hall.size, seen]).toEqual([0, ["up", "down", "over", "left"]]);
});

test("nobody comes back: first the transaction ends, then the session", async () => {
  const { hall, seen } = makeHall();
  const visitor = new Visitor(hall);
  visitor.say(greeting());
  await visitor.hear();
  visitor.stream.destroy();
  await expect.poll(() => seen).toEqual(["up", "down", "unlock", "over", "left"]);
  const late = new Visitor(hall);
  late.say(resume(1, 0));
  expect(await late.hear()).toMatchObject({ body: { reason: Reason.Unknown } });
});

test("counts that cannot be, and frames that make no sense, end the session", async () => {
  for (const bytes of [
    encodeFrame(Type.Acknowledge, { received: 5 }),
    greeting(),
    Buffer.alloc(64, 0xff),
  ]) {
    const { hall, seen } = makeHall();
    const visitor = new Visitor(hall);
    visitor.say(greeting({ session: randomBytes(16) }));
    await visitor.hear();
    visitor.say(bytes);
    await expect.poll(() => seen).toEqual(["up", "over", "left"]);
    expect(hall.size).toBe(0);
  }
});

test("one who says nothing takes some of the places, and leaves the others theirs", async () => {
  const { hall } = makeHall();
  const silent = Array.from({ length: 30 }, () => new Visitor(hall, "alice").stream);
  await new Promise(setImmediate);
  expect(silent.filter(({ destroyed }) => !destroyed)).toHaveLength(20);
  const bob = new Visitor(hall, "bob").stream;
  await new Promise(setImmediate);
  expect(bob.destroyed).toBe(false);
});

test("several who say nothing, together, keep nobody out, and the one with the most loses a place", async () => {
  const { hall } = makeHall();
  const crowd = ["a", "b", "c", "d", "e"].flatMap((name) =>
    Array.from({ length: 20 }, () => new Visitor(hall, name)),
  );
  const [alice, bob] = [new Visitor(hall, "alice"), new Visitor(hall, "bob")];
  bob.say(greeting({ session: randomBytes(16) }));
  expect((await bob.hear()).type).toBe(Type.Opened);
  // One who has come before them, and is slow, stays as well.
  crowd.push(...Array.from({ length: 5 }, () => new Visitor(hall, "f")));
  alice.say(greeting());
  expect((await alice.hear()).type).toBe(Type.Opened);
  const gone = () => crowd.flatMap(({ stream }, at) => (stream.destroyed ? [at] : []));
  await expect.poll(gone).toEqual([0, 1, 20, 40, 60, 80]);
});
