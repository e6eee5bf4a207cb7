import { describe, expect, test } from "vitest";
import type { CardService, Reader } from "../../domain/card-service.ts";
import { Watchable } from "../../domain/watchable.ts";
import { fakeReader } from "../../testing/index.ts";
import { ReadersView } from "./readers-view.ts";

const atr = Uint8Array.of(0x3b, 0);

/** A service that only has readers. */
class Readers {
  readonly list: Watchable<readonly Reader[]>;
  watchers = 0;

  constructor(...readers: Reader[]) {
    this.list = new Watchable<readonly Reader[]>(readers);
  }

  get readers(): readonly Reader[] {
    return this.list.value;
  }

  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    this.watchers += 1;
    yield* this.list.follow({ signal });
    this.watchers -= 1;
  }
}

/** The one cast: nobody connects here. */
const view = (readers: Readers, onChange = () => {}) =>
  new ReadersView(readers as unknown as CardService, onChange);

const told = () => new Promise(setImmediate);

describe("ReadersView", () => {
  test("watches only while there are applications", async () => {
    const readers = new Readers(fakeReader("one"));
    const of = view(readers);
    expect(of.isReady).toBe(false);
    of.follow();
    of.follow();
    await of.ready;
    expect([of.isReady, readers.watchers]).toEqual([true, 1]);
    of.unfollow();
    await told();
    expect(readers.watchers).toBe(1);
    of.unfollow();
    await told();
    expect([of.isReady, readers.watchers]).toEqual([false, 0]);
    of.follow();
    await of.ready;
    expect(of.isReady).toBe(true);
  });

  test.each<[string, Partial<Reader>, boolean]>([
    ["a card", { atr, stateBits: 0x34, eventCounter: 1 }, true],
    ["other state bits", { stateBits: 1 }, true],
    ["another who shares it", { sharing: 1 }, true],
    ["a negotiated protocol", { protocol: 2 }, false],
    ["nothing", {}, false],
  ])("%s: whether it ends waiting", async (_what, about, ends) => {
    const readers = new Readers(fakeReader("one"));
    let changes = 0;
    const of = view(readers, () => {
      changes += 1;
    });
    of.follow();
    await of.ready;
    const [before, version] = [changes, of.version];
    readers.list.set([fakeReader("one", about)]);
    await told();
    expect(changes - before).toBe(ends ? 1 : 0);
    expect(of.version - version).toBe(ends ? 1 : 0);
    of.unfollow();
  });

  test("the counter goes up for each reader that comes or goes, and after 32767 comes 1", async () => {
    const readers = new Readers();
    const of = view(readers);
    of.follow();
    await of.ready;
    expect(of.readerEvents).toBe(1);
    readers.list.set([fakeReader("one"), fakeReader("two")]);
    await told();
    expect(of.readerEvents).toBe(3);
    readers.list.set([fakeReader("two"), fakeReader("three")]);
    await told();
    expect(of.readerEvents).toBe(5);
    readers.list.set([fakeReader("two", { sharing: 1 }), fakeReader("three")]);
    await told();
    expect(of.readerEvents).toBe(5);
    const many = Array.from({ length: 32_767 - 5 }, (_, slot) => fakeReader(`Hub ${slot}`));
    readers.list.set([...readers.readers, ...many]);
    await told();
    expect(of.readerEvents).toBe(32_767);
    readers.list.set(many);
    await told();
    expect(of.readerEvents).toBe(2);
    of.unfollow();
  });
});
