import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { codeOf, linkToOneCard } from "../../../test/link/one-card.ts";
import { deferred } from "../../domain/deferred.ts";
import { Rv } from "../../domain/return-codes.ts";
import { FrameStream } from "../../link/frame-stream.ts";
import { encodeFrame, Reason, Type } from "../../wire/link/frames.ts";
import { remoteService } from "./service.ts";

const PATIENCE = { graceMs: 1_000, lockMs: 500 };
const opened = encodeFrame(Type.Opened, { version: 1, features: 0, ...PATIENCE });
const noReaders = encodeFrame(Type.Readers, { length: 0 });
const closed = encodeFrame(Type.Close, { reason: Reason.Closed });

/** Another cardwire that opens each session, and closes it again. @param most shows its readers in so many only. */
function fickle(most: number) {
  const seen = { connections: 0, open: 0 };
  const open = async () => {
    const [near, far] = duplexPair();
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    far.on("error", () => {});
    seen.connections += 1;
    seen.open += 1;
    const frames = new FrameStream(far);
    frames.handTo({ frame: () => {}, ended: () => void (seen.open -= 1) });
    frames.write(seen.connections <= most ? Buffer.concat([opened, noReaders]) : opened);
    setTimeout(() => frames.write(closed), 5);
    return near;
  };
  return { seen, way: { name: "fickle", open } };
}

test.each([
  ["before they show their readers", 1],
  ["after they showed them", Infinity],
])("sessions that end at once, %s, are begun anew one after the other", async (_, most) => {
  const { seen, way } = fickle(most);
  const options = { pipelining: true, prefetch: true, patience: PATIENCE, about: "a test" };
  const signal = AbortSignal.timeout(20_000);
  const remote = await remoteService(way, options, { signal });
  await expect.poll(() => remote.state).toBe("gone");
  await new Promise((resolve) => setTimeout(resolve, 700)); // 100, 200, 400 ms apart
  expect(seen.connections).toBeGreaterThan(1);
  expect(seen.connections).toBeLessThanOrEqual(5);
  await remote[Symbol.asyncDispose]();
  await expect.poll(() => seen.open).toBe(0);
});

test("who gives up while a connection is made does not wait for an answer on it", async () => {
  const [near] = duplexPair();
  const stop = new AbortController();
  const open = async () => {
    stop.abort(new Error("given up"));
    return near;
  };
  const options = { pipelining: true, prefetch: true, patience: PATIENCE, about: "a test" };
  const started = remoteService({ name: "silent", open }, options, { signal: stop.signal });
  await expect(started).rejects.toThrow("given up");
  expect(near.destroyed).toBe(true);
}, 4_000);

test("a new session that breaks before its first list is up only once that has come", async () => {
  await using subject = await linkToOneCard({ patience: { graceMs: 400, lockMs: 100 } });
  const { linked, remote, readers } = subject;
  const session = await subject.connect();
  linked.isOpen = false;
  linked.cut();
  await expect.poll(() => remote.state).toBe("gone");
  const watch = readers.watch.bind(readers);
  const list = deferred();
  readers.watch = async function* (options) {
    await list.promise;
    yield* watch(options);
  };
  const asked = codeOf(session.status());
  const { connections } = linked;
  linked.isOpen = true;
  await expect.poll(() => linked.connections).toBe(connections + 1);
  await expect.poll(() => remote.calls).toBeDefined();
  linked.cut();
  await expect.poll(() => linked.connections).toBe(connections + 2);
  await expect.poll(() => remote.figures.resumptions).toBe(1);
  expect(remote.state).toBe("gone");
  list.resolve();
  expect(await asked).toBe(Rv.ResetCard);
  expect(remote.state).toBe("up");
});
