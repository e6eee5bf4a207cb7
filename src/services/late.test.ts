import { expect, test } from "vitest";
import { LateService } from "./late.ts";
import { SoftwareReaders } from "./software/service.ts";

const how = { share: 3, protocols: 0, principal: { name: "test" } };
const { signal } = new AbortController();

test("has no readers until it is there, and then those of what came", async () => {
  await using late = new LateService();
  const lists: (readonly string[])[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const list of late.watch({ signal: stop.signal }))
      lists.push(list.map(({ name }) => name));
  })();
  await expect.poll(() => lists).toEqual([[]]);
  await expect(late.connect("A 00 00", how, { signal })).rejects.toMatchObject({
    code: "SCARD_E_UNKNOWN_READER",
  });
  await using service = new SoftwareReaders(["A 00 00"]);
  late.arrive(service);
  await expect.poll(() => lists).toEqual([[], ["A 00 00"]]);
  service.plug("B 00 00");
  await expect.poll(() => lists.at(-1)).toEqual(["A 00 00", "B 00 00"]);
  expect(late.readers).toBe(service.readers);
  const { session } = await late.connect("A 00 00", how, { signal });
  await session.disconnect(0);
  stop.abort();
  await watching;
});

test("whoever watches is done when it is closed", async () => {
  const late = new LateService();
  const watching = (async () => {
    for await (const list of late.watch({ signal })) expect(list).toEqual([]);
  })();
  await late[Symbol.asyncDispose]();
  await watching;
});

test("whoever watches what comes soon, or connects to it, waits for it", async () => {
  await using late = new LateService({ isSoon: true });
  const first = late.watch({ signal }).next();
  const connecting = late.connect("A 00 00", how, { signal });
  await using service = new SoftwareReaders(["A 00 00"]);
  late.arrive(service);
  expect(await first).toMatchObject({ value: [{ name: "A 00 00" }] });
  const { session } = await connecting;
  await session.disconnect(0);
});
