import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { linkTo } from "../../../test/link/linked.ts";
import type { CardService } from "../../domain/card-service.ts";
import { ShareMode } from "../../domain/pcsc.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";

const NAME = "Reader 00 00";
const soon = () => ({ signal: AbortSignal.timeout(10_000) });
const how = { share: ShareMode.Shared, protocols: 3, principal: { name: "test" } };

/** A service that tells how many follow its readers. */
function watched() {
  const inner = fakeService([fakeReader(NAME, { atr: Uint8Array.of(0x3b, 0x00) })]);
  const seen = { now: 0 };
  const service: CardService = {
    get readers() {
      return inner.readers;
    },
    async *watch(options) {
      seen.now += 1;
      try {
        yield* inner.watch(options);
      } finally {
        seen.now -= 1;
      }
    },
    connect: (reader, options, within) => inner.connect(reader, options, within),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  return { service, seen };
}

/** The first readers that somebody is shown who comes now. */
async function looked(service: CardService): Promise<readonly string[]> {
  for await (const readers of service.watch(soon())) return readers.map(({ name }) => name);
  return [];
}

test("a link that nobody uses lets the other end rest, and wakes it for whoever comes", async () => {
  const { service, seen } = watched();
  await using linked = await linkTo(service, { restAfterMs: 50 });
  const { remote } = linked;
  await expect.poll(() => seen.now).toBe(0);
  expect(await looked(remote)).toEqual([NAME]);
  expect(seen.now).toBe(1);
  await expect.poll(() => seen.now).toBe(0);

  const { session } = await remote.connect(NAME, how, soon());
  await delay(200); // an open card is a use
  expect(seen.now).toBe(1);
  await session.disconnect(0);
  await expect.poll(() => seen.now).toBe(0);
});

test("one that rests outlives breaks, and the end of its session", async () => {
  const { service, seen } = watched();
  await using linked = await linkTo(service, {
    restAfterMs: 50,
    patience: { graceMs: 300, lockMs: 100 },
  });
  await expect.poll(() => seen.now).toBe(0);
  linked.cut();
  expect(await looked(linked.remote)).toEqual([NAME]);
  await expect.poll(() => seen.now).toBe(0);
  linked.isOpen = false;
  linked.cut();
  await expect.poll(() => linked.remote.state).toBe("gone");
  linked.isOpen = true;
  await expect.poll(() => linked.remote.state, { timeout: 5_000 }).toBe("up");
  expect(await looked(linked.remote)).toEqual([NAME]);
});

test("who gives up waiting for one that is away is not held", async () => {
  const { service, seen } = watched();
  await using linked = await linkTo(service, { restAfterMs: 50 });
  await expect.poll(() => seen.now).toBe(0);
  linked.isOpen = false;
  linked.cut();
  const connecting = linked.remote.connect(NAME, how, { signal: AbortSignal.timeout(100) });
  await expect(connecting).rejects.toThrow(/aborted|timeout/i);
});
