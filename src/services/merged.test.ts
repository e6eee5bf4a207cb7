import { afterEach, describe, expect, test, vi } from "vitest";
import type { CardService, Reader } from "../domain/card-service.ts";
import { cardServiceContract, fakeReader, fakeService } from "../testing/index.ts";
import { MergedService } from "./merged.ts";

const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const card = fakeReader("Virtual PCD 00 00", { atr });
const empty = fakeReader("Virtual PCD 00 01");
const how = { share: 2, protocols: 3, principal: { name: "test" } };
const { signal } = new AbortController();

const pair = () => {
  const [a, b] = [fakeService([card, empty]), fakeService([card])];
  const merged = new MergedService([
    { label: "a", service: a },
    { label: "b", service: b },
  ]);
  return { a, b, merged };
};
const namesOf = (readers: readonly Reader[]) => readers.map(({ name }) => name);

/** A host that never says a word: neither its readers nor the end of a connect. */
const silent = (): CardService => ({
  readers: [],
  async *watch(options) {
    await new Promise((resolve) => options.signal.addEventListener("abort", resolve));
    yield* [];
  },
  connect: () => new Promise(() => {}),
  async [Symbol.asyncDispose]() {},
});

describe("MergedService", () => {
  cardServiceContract(test, async () => {
    const [a, b] = [fakeService([card]), fakeService([empty])];
    const service = new MergedService([
      { label: "a", service: a },
      { label: "b", service: b },
    ]);
    return {
      service,
      attribute: 0x7fff0003,
      pull: async () => a.pull(card.name),
      insert: async () => a.insert(card.name, atr),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  });

  test("lists each service's readers in turn, with their hosts in the names", async () => {
    const { a, merged } = pair();
    const names = [
      "Virtual PCD (a) 00 00",
      "Virtual PCD (a) 00 01",
      "Virtual PCD (b) 00 00",
    ] as const;
    expect(namesOf(merged.readers)).toEqual(names);
    expect(merged.readers[2]).toEqual({ ...card, name: names[2] });
    a.unplug(card.name);
    expect(namesOf(merged.readers)).toEqual([names[1], names[2]]);
    a.plug(card);
    expect(namesOf(merged.readers)).toEqual([names[1], names[0], names[2]]);
    await merged[Symbol.asyncDispose]();
  });

  test("gives the same array until a service has another one", async () => {
    const { b, merged } = pair();
    const { readers } = merged;
    expect(merged.readers).toBe(readers);
    b.pull(card.name);
    expect(merged.readers).not.toBe(readers);
    expect(merged.readers).toBe(merged.readers);
  });

  test("each connect and command reaches the reader's own service, by the name it has there", async () => {
    const { a, b, merged } = pair();
    const { session } = await merged.connect("Virtual PCD (b) 00 00", how, { signal });
    await session.transmit(Uint8Array.of(1, 2, 3, 4), { send: 2, receive: 2 });
    expect(b.log).toEqual(["connect Virtual PCD 00 00", "transmit 01020304"]);
    expect(a.log).toEqual([]);
    expect(merged.readers.map(({ sharing }) => sharing)).toEqual([0, 0, 1]);
  });

  test.each(["Virtual PCD 00 00", "Virtual PCD (c) 00 00", "Virtual PCD (a)00 00", ""])(
    "there is no reader %j, and nobody is asked for it",
    async (name) => {
      const { a, b, merged } = pair();
      await expect(merged.connect(name, how, { signal })).rejects.toMatchObject({
        code: "SCARD_E_UNKNOWN_READER",
      });
      expect([a.log, b.log]).toEqual([[], []]);
    },
  );

  test("a reader that is not listed now is for its host to judge", async () => {
    const { a, b, merged } = pair();
    await expect(merged.connect("Other (b) 01 00", how, { signal })).rejects.toMatchObject({
      code: "SCARD_E_UNKNOWN_READER",
    });
    expect([a.log, b.log]).toEqual([[], ["connect Other 01 00"]]);
  });

  test("a name that is too long to be whole is found by the list", async () => {
    const long = fakeReader(`${"n".repeat(115)} 00 00`, { atr });
    const a = fakeService([long]);
    const merged = new MergedService([{ label: "a", service: a }]);
    const { session } = await merged.connect(namesOf(merged.readers)[0] ?? "", how, { signal });
    await session.disconnect(0);
    expect(a.log[0]).toBe(`connect ${long.name}`);
  });

  test("the attributes that tell the reader's name tell the outer one; others are as they are", async () => {
    const answers: Readonly<Record<number, string>> = {
      0x7fff0004: "Virtual PCD 00 00", // without a NUL
      0x00010100: "Virtual PCD 00 00\0", // the vendor's name
    };
    const attribute = (id: number) => {
      const text = answers[id];
      return text === undefined ? undefined : Buffer.from(text);
    };
    const merged = new MergedService([{ label: "a", service: fakeService([card], { attribute }) }]);
    const { session } = await merged.connect("Virtual PCD (a) 00 00", how, { signal });
    const text = async (id: number) => Buffer.from(await session.getAttribute(id)).toString();
    expect(await text(0x7fff0003)).toBe("Virtual PCD (a) 00 00\0");
    expect(await text(0x7fff0004)).toBe("Virtual PCD (a) 00 00");
    expect(await text(0x00010100)).toBe("Virtual PCD 00 00\0");
    const own = fakeService([card], { attribute: () => Buffer.from("The driver's words\0") });
    const other = new MergedService([{ label: "a", service: own }]);
    const connected = await other.connect("Virtual PCD (a) 00 00", how, { signal });
    expect(Buffer.from(await connected.session.getAttribute(0x7fff0003)).toString()).toBe(
      "The driver's words\0",
    );
  });

  test("closes every service", async () => {
    const { a, b, merged } = pair();
    await merged[Symbol.asyncDispose]();
    expect([a.log, b.log]).toEqual([["close"], ["close"]]);
    for await (const _ of merged.watch({ signal })) expect.fail("a closed service is not followed");
  });

  test("a service that fails to follow its readers is not passed over in silence", async () => {
    const broken: CardService = {
      ...silent(),
      async *watch() {
        yield await Promise.reject<readonly Reader[]>(new Error("broken"));
      },
    };
    const merged = new MergedService([{ label: "a", service: broken }]);
    await expect(merged.watch({ signal }).next()).rejects.toThrow("broken");
  });
});

describe("a host that does not answer", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("holds up the first list for a while, and nothing afterwards", async () => {
    vi.useFakeTimers();
    const a = fakeService([card]);
    const stop = new AbortController();
    const merged = new MergedService([
      { label: "dead", service: silent() },
      { label: "a", service: a },
    ]);
    const lists = merged.watch(stop);
    let first: readonly Reader[] | undefined;
    const shown = lists.next().then(({ value }) => {
      first = value as readonly Reader[];
    });
    await vi.advanceTimersByTimeAsync(2_900);
    expect(first).toBeUndefined();
    await vi.advanceTimersByTimeAsync(200);
    await shown;
    expect(namesOf(first ?? [])).toEqual(["Virtual PCD (a) 00 00"]);
    const next = lists.next();
    a.plug(empty);
    expect(namesOf((await next).value as readonly Reader[])).toEqual([
      "Virtual PCD (a) 00 00",
      "Virtual PCD (a) 00 01",
    ]);
    stop.abort();
    expect(await lists.next()).toEqual({ done: true, value: undefined });
  });

  test("keeps nobody from another host's cards", async () => {
    const merged = new MergedService([
      { label: "dead", service: silent() },
      { label: "a", service: fakeService([card]) },
    ]);
    const { session } = await merged.connect("Virtual PCD (a) 00 00", how, { signal });
    await session.status();
  });

  test("all that answer are waited for no longer than they take", async () => {
    const { merged } = pair();
    const stop = new AbortController();
    for await (const readers of merged.watch(stop)) {
      expect(readers).toBe(merged.readers);
      stop.abort();
    }
  });
});
