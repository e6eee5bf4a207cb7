import { describe, expect, test } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import type { Connection } from "./connection.ts";
import { Contexts } from "./contexts.ts";
import type { Context } from "./handshake.ts";

/** A context of which only its number and whether it is open matter. */
function context(number: number): Context & { readonly isClosed: () => boolean } {
  let closed = false;
  const connection = {
    get isOpen() {
      return !closed;
    },
    close: () => {
      closed = true;
    },
    closeAnswered: async () => {
      closed = true;
    },
    // The one cast: a whole connection is not needed to be kept.
  } as unknown as Connection;
  return { number, connection, isClosed: () => closed };
}

const any = () => 1;

function counting() {
  const opened: ReturnType<typeof context>[] = [];
  const contexts = new Contexts(async () => {
    const fresh = context(opened.length + 1);
    opened.push(fresh);
    return fresh;
  });
  return { contexts, opened };
}

describe("Contexts", () => {
  test("one is opened when none is in reserve", async () => {
    const { contexts, opened } = counting();
    expect((await contexts.take(any)).number).toBe(1);
    expect(opened).toHaveLength(1);
  });

  test("taking the last one opens another, which nobody waits for", async () => {
    const { contexts, opened } = counting();
    contexts.warm();
    contexts.warm();
    await new Promise(setImmediate);
    expect(opened).toHaveLength(1);
    expect((await contexts.take(any)).number).toBe(1);
    expect(opened).toHaveLength(2);
  });

  test("one that is on its way is taken instead of a third being opened", async () => {
    const ready = deferred<Context>();
    let opened = 0;
    const contexts = new Contexts(async () => {
      opened += 1;
      return opened === 1 ? await ready.promise : context(opened);
    });
    contexts.warm();
    const taken = contexts.take(any);
    ready.resolve(context(1));
    expect((await taken).number).toBe(1);
  });

  test("the one that ranks highest is taken, and closed ones never", async () => {
    const { contexts } = counting();
    const [one, two, three] = [context(101), context(102), context(103)];
    for (const back of [one, two, three]) contexts.giveBack(back);
    three.connection.close();
    expect((await contexts.take(({ number }) => (number === 101 ? 2 : 1))).number).toBe(101);
    expect((await contexts.take(({ number }) => (number === 103 ? 2 : 0))).number).toBe(102);
  });

  test("no more than four are kept", () => {
    const { contexts } = counting();
    const all = [1, 2, 3, 4, 5].map((number) => context(number));
    for (const back of all) contexts.giveBack(back);
    expect(all.map(({ isClosed }) => isClosed())).toEqual([false, false, false, false, true]);
  });

  test("resting closes those that nobody has, also one on its way", async () => {
    const { contexts, opened } = counting();
    const kept = context(50);
    contexts.giveBack(kept);
    contexts.rest();
    expect(kept.isClosed()).toBe(true);
    contexts.warm();
    contexts.rest();
    await new Promise(setImmediate);
    expect(opened[0]?.isClosed()).toBe(true);
    expect((await contexts.take(any)).number).toBe(2);
  });

  test("a reserve that cannot be had is no failure; a taken one is", async () => {
    const contexts = new Contexts(() => Promise.reject(new Error("refused")));
    contexts.warm();
    await new Promise(setImmediate);
    await expect(contexts.take(any)).rejects.toThrow("refused");
  });
});
