import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { codeOf, soon } from "../../../test/link/one-card.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { LinkEnd, SessionFrame } from "../../link/end.ts";
import { Hall } from "../../link/hall.ts";
import { Type } from "../../wire/link/frames.ts";
import { encodeReaders } from "../../wire/link/reader-list.ts";
import { remoteService } from "./service.ts";

const NAME = "Reader 00 00";
const PATIENCE = { graceMs: 5_000, lockMs: 2_000 };
const reader = {
  name: NAME,
  atr: Uint8Array.of(0x3b, 0x00),
  stateBits: 0x34,
  sharing: 0,
  protocol: 2,
  eventCounter: 1,
  othersMayHold: false,
};

/** Another cardwire whose words are a test's: it answers each call, in one piece with what `andThen` says. */
async function another(andThen: (frame: SessionFrame, end: LinkEnd) => void) {
  const asked: number[] = [];
  const serve = (end: LinkEnd) => ({
    frame: (frame: SessionFrame) => {
      asked.push(frame.type);
      if (frame.type === Type.Watch) {
        const { length, tail } = encodeReaders([], [reader]);
        return end.send(Type.Readers, { length }, tail);
      }
      const { call } = frame.body as { call: number };
      if (call === 0) return;
      const result = { call, rv: Rv.Success, protocol: 2, length: -1, ahead: 0 };
      end.send(Type.Result, result, undefined, { soon: true });
      andThen(frame, end);
    },
    up: () => {},
    down: () => {},
    unlock: () => {},
    over: () => {},
  });
  const hall = new Hall({ most: PATIENCE, features: 0, about: () => "a test", serve });
  const open = async () => {
    const [near, far] = duplexPair();
    hall.accept(far);
    return near;
  };
  const options = { pipelining: true, prefetch: true, patience: PATIENCE, about: "a test" };
  const remote = await remoteService({ name: "test", open }, options, { signal: soon() });
  const how = { share: 2, protocols: 3, principal: { name: "test" } };
  return {
    connect: async () => (await remote.connect(NAME, how, { signal: soon() })).session,
    timesAsked: (type: number) => asked.filter((one) => one === type).length,
    async [Symbol.asyncDispose]() {
      await remote[Symbol.asyncDispose]();
      await hall[Symbol.asyncDispose]();
    },
  };
}

const notice = (end: LinkEnd): void => end.send(Type.Notice, { card: 1, rv: Rv.ResetCard });

test("a handle that has no notice is not asked", async () => {
  await using subject = await another(() => {});
  const session = await subject.connect();
  for (let i = 0; i < 3; i += 1) expect(await codeOf(session.status())).toBe(0);
  expect(subject.timesAsked(Type.Status)).toBe(0);
});

test("a notice that comes in one piece with the connect's answer is heeded", async () => {
  await using subject = await another(({ type }, end) => {
    if (type === Type.Connect) notice(end);
  });
  const session = await subject.connect();
  await session.status();
  expect(subject.timesAsked(Type.Status)).toBe(1);
});

test("a notice that comes in one piece with another answer is heeded", async () => {
  await using subject = await another(({ type }, end) => {
    if (type === Type.Connect || type === Type.Status) notice(end);
  });
  const session = await subject.connect();
  for (let i = 0; i < 3; i += 1) await session.status();
  expect(subject.timesAsked(Type.Status)).toBe(3);
});
