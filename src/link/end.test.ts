import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { ProtocolError } from "../domain/errors.ts";
import { Type } from "../wire/link/frames.ts";
import { LinkEnd } from "./end.ts";
import { FrameStream } from "./frame-stream.ts";

/** An end, and what its owner was told. */
function makeEnd(): { end: LinkEnd; seen: string[] } {
  const seen: string[] = [];
  const end = new LinkEnd({
    frame: () => void seen.push("frame"),
    down: () => void seen.push("down"),
    over: () => void seen.push("over"),
  });
  return { end, seen };
}

const streams = (): readonly [FrameStream, FrameStream] => {
  const [near, far] = duplexPair();
  return [new FrameStream(near), new FrameStream(far)];
};

test("who waits until frames have arrived hears of it when a session is resumed", async () => {
  const [near, far] = [makeEnd(), makeEnd()];
  const [one, other] = streams();
  near.end.attach(one, 0);
  far.end.attach(other, 0);
  for (let left = 10; left > 0; left -= 1) near.end.send(Type.Notice, { card: 1, rv: 0 });
  await expect.poll(() => far.end.received).toBe(10);
  const drained = near.end.drained(8, { signal: new AbortController().signal });
  expect(near.end.unacknowledged).toBe(10);
  one.cut(new Error("a break"));
  near.end.attach(streams()[0], far.end.received);
  await drained;
  expect(near.seen).toEqual(["down"]);
});

test("a connection that comes too late, or with a count that cannot be, is hung up on", () => {
  const { end } = makeEnd();
  const [wrong] = streams();
  expect(() => end.attach(wrong, 1)).toThrow(ProtocolError);
  end.close("it is over");
  const [late] = streams();
  end.attach(late, 0);
  expect([end.isUp, wrong.isOpen, late.isOpen]).toEqual([false, false, false]);
});

test("who waits until frames have arrived may give that up", async () => {
  const { end } = makeEnd();
  end.send(Type.Notice, { card: 1, rv: 0 });
  const stop = new AbortController();
  const drained = end.drained(0, { signal: stop.signal });
  stop.abort();
  await drained;
  await end.drained(0, { signal: stop.signal });
  expect(end.unacknowledged).toBe(1);
});
