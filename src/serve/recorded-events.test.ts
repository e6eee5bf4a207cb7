import { expect, test } from "vitest";
import type { AuditRecord } from "../audit/record.ts";
import { emit } from "../observe/events.ts";
import { Policy } from "../services/policy/policy.ts";
import { recordDecisions, recordSerials, recordVisitors } from "./recorded-events.ts";

function audit() {
  const records: AuditRecord[] = [];
  return { records, admit: () => {}, note: (record: AuditRecord) => void records.push(record) };
}

test("many refusals of one kind are on the record once", () => {
  const kept = audit();
  const record = recordDecisions(
    kept,
    () => new Policy({ rules: { rules: [], groups: new Map() } }),
  );
  const why = "256 of his calls wait";
  for (let n = 0; n < 100; n += 1)
    for (const identity of ["mallory", "bob"])
      record({ type: "refused", what: "wait", reader: "Yubi", identity, why });
  expect(kept.records).toEqual([
    { event: "refused", what: "wait", reader: "Yubi", identity: "mallory", why },
    { event: "refused", what: "wait", reader: "Yubi", identity: "bob", why },
  ]);
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
