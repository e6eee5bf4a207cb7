import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AuditRecord } from "../audit/record.ts";
import { converseWith } from "../host/conversation.ts";
import { Arbiter } from "../services/arbiter/arbiter.ts";
import { fakeReader, fakeService } from "../testing/fake-service.ts";
import { controlAt } from "./control.ts";

const [ONE, TWO] = ["Card 00 00", "Card 01 00"];
const soon = () => ({ signal: AbortSignal.timeout(5_000) });

/** A serve's control, and what was recorded. */
async function scene() {
  const directory = await mkdtemp(join(tmpdir(), "control-"));
  const path = join(directory, "control");
  const atr = Uint8Array.of(0x3b, 0x00);
  const readers = [ONE, TWO].map((name) => fakeReader(name, { atr }));
  const arbiter = new Arbiter(fakeService(readers));
  const records: AuditRecord[] = [];
  const audit = { admit: () => {}, note: (record: AuditRecord) => void records.push(record) };
  const control = await controlAt(path, {
    arbiter,
    audit,
    serialOf: (reader) => (reader === TWO ? "12345678" : undefined),
  });
  return {
    arbiter,
    records,
    lease: (reader: string, identity: string) =>
      arbiter.lease(reader, { identity, forMs: 60_000 }, soon()),
    ask: async (request: object): Promise<unknown> => {
      const conversation = await converseWith(path, soon());
      conversation?.say(request);
      for await (const answer of conversation?.heard ?? []) return answer;
      return undefined;
    },
    async [Symbol.asyncDispose]() {
      await control[Symbol.asyncDispose]();
      await arbiter[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

test("tells who has each card, and who waits, in order", async () => {
  await using stage = await scene();
  const lease = await stage.lease(ONE, "alice");
  const stop = new AbortController();
  const waiting = stage.arbiter.lease(ONE, { identity: "bob", forMs: 1_000 }, stop);
  expect(await stage.ask({ do: "attendance" })).toEqual({
    attendance: [
      {
        reader: ONE,
        lease: { identity: "alice", fence: lease.fence },
        waiting: [{ identity: "bob", what: "lease", waitedMs: expect.any(Number) }],
      },
      { reader: TWO, serial: "12345678", waiting: [] },
    ],
  });
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("takes cards from whoever has them, or from one identity, and records it", async () => {
  await using stage = await scene();
  await stage.lease(ONE, "alice");
  const other = await stage.lease(TWO, "bob");
  const kicked = [{ reader: ONE, identity: "alice" }];
  expect(await stage.ask({ do: "kick", identity: "alice" })).toEqual({ kicked });
  expect(stage.records).toEqual([{ event: "kick", ...kicked[0] }]);
  expect(other.ended.aborted).toBe(false);
  expect(await stage.ask({ do: "kick", reader: ONE })).toEqual({ kicked: [] });
  expect(await stage.ask({ do: "kick", reader: "*" })).toEqual({
    kicked: [{ reader: TWO, identity: "bob" }],
  });
  expect(other.ended.aborted).toBe(true);
});

test("a reader that there is not, and what it does not know, are said", async () => {
  await using stage = await scene();
  expect(await stage.ask({ do: "kick", reader: "Nothing" })).toMatchObject({
    code: "E_NO_READER",
    hint: `There are: ${ONE}; ${TWO}.`,
  });
  expect(await stage.ask({ do: "dance" })).toMatchObject({ code: "E_PROTOCOL" });
});
