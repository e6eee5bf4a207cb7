import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";
import { Handles } from "./handles.ts";

const NAME = "Card 00 00";
const LATE_MS = 600;

function scene(lateMs = LATE_MS) {
  const fake = fakeService([fakeReader(NAME, { atr: Uint8Array.of(0x3b, 0x00) })]);
  const handles = new Handles(lateMs);
  const connect = () => {
    const how = { share: 2, protocols: 3, principal: { name: "alice" } };
    return fake.connect(NAME, how, { signal: AbortSignal.timeout(5_000) });
  };
  const open = async () => (await handles.open(connect)).session;
  /** One that is granted when `way` is resolved. */
  const openLater = () => {
    const way = deferred();
    const opening = handles.open(async () => {
      await way.promise;
      return await connect();
    });
    return { way, opening };
  };
  return { handles, open, openLater };
}

describe("handles of other programs", () => {
  test("are there when more are shown than are ours, one exclusive one, too", async () => {
    const { handles, open } = scene();
    expect(handles.hasOthers(0)).toBe(false);
    expect(handles.hasOthers(-1)).toBe(true);
    await open();
    expect(handles.hasOthers(-1)).toBe(false);
    expect(handles.hasOthers(1)).toBe(false);
    expect(handles.hasOthers(2)).toBe(true);
  });

  test("are not what is still counted of ours, but no more is taken for that than there were", async () => {
    const { handles, open } = scene();
    for (let n = 0; n < 5; n += 1) await (await open()).disconnect(0);
    expect(handles.hasOthers(1)).toBe(false);
    expect(handles.hasOthers(2)).toBe(true);
    const atOnce = scene(0);
    await (await atOnce.open()).disconnect(0);
    expect(atOnce.handles.hasOthers(1)).toBe(true);
  });

  test("were there when the number falls by more than we have closed", async () => {
    const { handles, openLater } = scene(0);
    const { way, opening } = openLater();
    // It could be ours, and another's handle is closed before ours is open.
    expect(handles.look(1)).toBe(false);
    expect(handles.look(0)).toBe(true);
    way.resolve();
    const { session } = await opening;
    expect(handles.look(1)).toBe(false);
    await session.disconnect(0);
    expect(handles.look(0)).toBe(false);
  });

  test("are not what ours are shown as while they are being closed, or were given up", async () => {
    const { handles, open } = scene(0);
    const session = await open();
    expect(handles.look(1)).toBe(false);
    const closing = session.abandon();
    expect(handles.look(0)).toBe(false);
    await closing;
    const refused = handles.open(() => Promise.reject(new Error("no")));
    expect(handles.look(1)).toBe(false);
    await expect(refused).rejects.toThrow("no");
    expect(handles.look(0)).toBe(false);
  });

  test("are seen although ours are opened and closed, or refused, all the time", async () => {
    const { handles, open } = scene(50);
    const refuse = () => handles.open(() => Promise.reject(new ReturnCodeError("SCardConnect", 1)));
    await expect(refuse()).rejects.toThrow("SCardConnect");
    expect(handles.look(1)).toBe(true);
    const since = performance.now();
    await (await open()).disconnect(0);
    expect(handles.look(1)).toBe(false);
    while (!handles.look(1)) {
      await (await open()).disconnect(0);
      await delay(5);
    }
    expect(performance.now() - since).toBeLessThan(50 * 4);
  });

  test("were there when they are shown for long before ours is granted", async () => {
    const { handles, openLater } = scene(0);
    const { way, opening } = openLater();
    expect(handles.look(1)).toBe(false);
    await delay(150);
    way.resolve();
    await opening;
    expect(handles.look(1)).toBe(true);
    expect(handles.look(1)).toBe(false);
  });

  test("a reader that comes again has none of ours", async () => {
    const { handles, open } = scene();
    const session = await open();
    handles.clear();
    expect(handles.hasOthers(1)).toBe(true);
    await session.abandon();
    expect(handles.hasOthers(1)).toBe(true);
  });
});
