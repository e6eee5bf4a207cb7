import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Lease, LeaseError, type Leasing, type LeaseWish } from "../../domain/leasing.ts";
import { converseWith } from "../../host/conversation.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";
import type { OpenSource } from "../open-source.ts";
import type { OpenReaders } from "../open.ts";
import { giveLeases, LEASES } from "./give-leases.ts";
import { holdLease, type LeaseEvent } from "./held-lease.ts";

const NAME = "Card 00 00";
const soon = () => AbortSignal.timeout(5_000);

/** A lease whose end a test decides. */
class Controlled implements Lease {
  readonly reader = NAME;
  readonly fence = 7;
  expiresAt: number;
  renewals = 0;
  readonly #ended = new AbortController();

  constructor(forMs: number) {
    this.expiresAt = Date.now() + forMs;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  renew(forMs: number): void {
    this.renewals += 1;
    this.expiresAt = Date.now() + forMs;
  }

  end(why: string): void {
    this.#ended.abort(new LeaseError("over", `the lease of ${NAME} is over: ${why}`));
  }

  async release(): Promise<void> {
    this.end("it was released");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** An attachment that gives leases, and the ones that it gave. */
async function attachment(refusing?: Leasing["lease"]) {
  const given: Controlled[] = [];
  const giveOne = async (_reader: string, { forMs }: LeaseWish) => {
    const one = new Controlled(forMs);
    given.push(one);
    return one;
  };
  const leasing: Leasing = { lease: refusing ?? giveOne };
  const directory = await mkdtemp(join(tmpdir(), "lease-"));
  const service = fakeService([fakeReader(NAME)]);
  const place = { text: "a", label: "a", where: { kind: "software" } } as const;
  const source: Partial<OpenSource> = { source: place, service, leasing };
  const readers = { sources: [source as OpenSource] };
  const giving = await giveLeases(directory, readers as Partial<OpenReaders> as OpenReaders);
  const told: LeaseEvent[] = [];
  const tell = (event: LeaseEvent) => void told.push(event);
  return {
    given,
    told,
    giving,
    hold: async (forMs = 60_000, signal = soon()) => {
      const conversation = await converseWith(join(directory, LEASES), { signal: soon() });
      if (!conversation) throw new Error("nobody listens");
      const wish = { lease: "Card*", forMs, wait: true };
      return await holdLease(conversation, wish, { tell, signal });
    },
    async [Symbol.asyncDispose]() {
      await giving[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

test("a lease is told of, and released when it is given back", async () => {
  await using there = await attachment();
  const held = await there.hold();
  expect(there.told).toEqual([
    { event: "leased", reader: NAME, fence: 7, expiresAt: there.given[0]?.expiresAt },
  ]);
  await held[Symbol.asyncDispose]();
  expect(there.given[0]?.ended.aborted).toBe(true);
  expect(there.told).toHaveLength(1);
});

test("it is renewed before its time is over", async () => {
  await using there = await attachment();
  await using _held = await there.hold(150);
  await expect.poll(() => there.given[0]?.renewals).toBeGreaterThan(2);
  expect(there.told.map(({ event }) => event)).toEqual(["leased"]);
});

test("one that is lost is told of once, with the reason", async () => {
  await using there = await attachment();
  await using _held = await there.hold();
  there.given[0]?.end("an administrator ended it");
  await expect.poll(() => there.told.at(-1)).toMatchObject({ event: "lost" });
  await there.giving[Symbol.asyncDispose]();
  expect(there.told.slice(1)).toEqual([
    {
      event: "lost",
      reader: NAME,
      reason: `the lease of ${NAME} is over: an administrator ended it`,
    },
  ]);
});

test("the end of the attachment loses it", async () => {
  await using there = await attachment();
  await using _held = await there.hold();
  await there.giving[Symbol.asyncDispose]();
  await expect.poll(() => there.told.at(-1)?.event).toBe("lost");
});

test("who waits is told where he stands, and gives up by his signal", async () => {
  let isGivenUp = false;
  await using there = await attachment(async (_reader, { onPlace }, { signal }) => {
    onPlace?.({ ahead: 2, holder: "bob" });
    return await new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => {
        isGivenUp = true;
        reject(signal.reason);
      }),
    );
  });
  const stop = new AbortController();
  const holding = there.hold(60_000, stop.signal);
  await expect
    .poll(() => there.told)
    .toEqual([{ event: "waiting", reader: NAME, ahead: 2, holder: "bob" }]);
  stop.abort(new Error("enough"));
  await expect(holding).rejects.toThrow("enough");
  await expect.poll(() => isGivenUp).toBe(true);
});

test.each([
  ["taken", "--wait waits for its turn."],
  ["not-offered", "'cardwire serve' on the card host"],
] as const)("a refusal (%s) says what to do", async (why, hint) => {
  await using there = await attachment(async () => {
    throw new LeaseError(why, "there is none");
  });
  await expect(there.hold()).rejects.toMatchObject({
    code: "E_LEASE",
    hint: expect.stringContaining(hint),
  });
});
