import { expect, test } from "vitest";
import type { AuditRecord } from "../audit/record.ts";
import { emit } from "../observe/events.ts";
import { Policy } from "../services/policy/policy.ts";
import {
  recordDecisions,
  recordRepeats,
  recordSerials,
  recordVisitors,
} from "./recorded-events.ts";

function audit() {
  const records: AuditRecord[] = [];
  return { records, admit: () => {}, note: (record: AuditRecord) => void records.push(record) };
}

const recording = () => {
  const kept = audit();
  const repeats = recordRepeats(kept);
  const policy = new Policy({ rules: { rules: [], groups: new Map() } });
  return { records: kept.records, repeats, record: recordDecisions(kept, repeats, () => policy) };
};

test("many refusals of one kind do not fill the record, and are counted", async () => {
  const { records, repeats, record } = recording();
  const why = "256 of his calls wait";
  for (let n = 0; n < 100; n += 1)
    for (const identity of ["mallory", "bob"])
      record({ type: "refused", what: "wait", reader: "Yubi", identity, why });
  await repeats[Symbol.asyncDispose]();
  const line = { event: "refused", what: "wait", reader: "Yubi", why };
  for (const identity of ["mallory", "bob"]) {
    const his = records.filter((one) => one.identity === identity);
    expect(his).toHaveLength(21);
    expect(his[0]).toEqual({ ...line, identity });
    expect(his[20]).toEqual({ ...line, identity, times: 80 });
  }
});

test("leases that come and go all the time do not fill the record either; transactions are all there", async () => {
  const { records, repeats, record } = recording();
  const who = { reader: "Yubi", identity: "mallory" };
  const held = { waitedMs: 1, heldMs: 1, commands: 1, how: "ended" } as const;
  for (let fence = 1; fence <= 1_000; fence += 1) {
    record({ type: "lease", ...who, fence });
    record({ type: "lease-ended", ...who, fence, why: "released" });
    record({ type: "transaction", ...who, ...held });
  }
  record({ type: "lease-ended", ...who, fence: 1_000, why: "kick" }); // which is of another kind
  await repeats[Symbol.asyncDispose]();
  const of = (event: string) => records.filter((one) => one.event === event);
  expect(of("transaction")).toHaveLength(1_000);
  expect(of("lease")).toHaveLength(21);
  expect(of("lease").at(-1)).toEqual({ event: "lease", ...who, fence: 1_000, times: 980 });
  expect(of("lease-ended").filter(({ why }) => why === "kick")).toHaveLength(1);
});

test("what became of a card's serial number is recorded, with the card", () => {
  const kept = audit();
  const record = recordSerials(kept);
  const about = { reader: "Yubi", atr: Uint8Array.of(0x3b, 0x80), ms: 1.23456 };
  record({ ...about, serial: "12345678", from: "YubiKey" });
  record({ ...about, why: "somebody uses the card" });
  const common = { event: "serial", reader: "Yubi", card: "3b80", ms: 1.235 };
  expect(kept.records).toEqual([
    { ...common, serial: "12345678", from: "YubiKey" },
    { ...common, why: "somebody uses the card" },
  ]);
});

test("limits that are reached are recorded until it is disposed", () => {
  const kept = audit();
  const about = { identity: "mallory", what: "links", most: 64 };
  {
    using _recording = recordVisitors(kept);
    emit("cardwire:limit", () => about);
  }
  emit("cardwire:limit", () => about);
  expect(kept.records).toEqual([{ event: "limit", ...about }]);
});
