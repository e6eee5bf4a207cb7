import { describe, expect, test } from "vitest";
import { cardServiceContract, fakeReader, fakeService } from "../testing/index.ts";
import { lentReaders } from "./lent-readers.ts";

const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const open = fakeReader("Open 00 00", { atr });
const empty = fakeReader("Open 00 01");
const kept = fakeReader("Kept 00 00", { atr });
const how = { share: 2, protocols: 3, principal: { name: "test" } };
const { signal } = new AbortController();

describe("lentReaders", () => {
  cardServiceContract(test, async () => {
    const inner = fakeService([kept, open, empty]);
    const service = lentReaders(inner, (name) => name !== kept.name);
    return {
      service,
      attribute: 0x90303,
      pull: async () => inner.pull(open.name),
      insert: async () => inner.insert(open.name, atr),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  });

  test("what is not lent is not listed and not found, and the inner service is not asked", async () => {
    const inner = fakeService([open, kept]);
    await using service = lentReaders(inner, (name) => name === open.name);
    expect(service.readers).toEqual([open]);
    await expect(service.connect(kept.name, how, { signal })).rejects.toMatchObject({
      code: "SCARD_E_UNKNOWN_READER",
    });
    expect(inner.log).toEqual([]);
  });

  test("the same list gives the same list", async () => {
    await using service = lentReaders(fakeService([open, kept]), (name) => name === open.name);
    expect(service.readers).toBe(service.readers);
  });
});
