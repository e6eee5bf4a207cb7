import { expect, test } from "vitest";
import { noAudit } from "../audit/record.ts";
import { Metrics } from "../observe/metrics.ts";
import { Arbiter } from "../services/arbiter/arbiter.ts";
import { fakeReader, fakeService } from "../testing/fake-service.ts";
import { metered, meterState } from "./metered.ts";

test("what is recorded is counted, also where one record stands for many", () => {
  const metrics = new Metrics();
  const audit = metered(noAudit, metrics);
  audit.note({ event: "lease" });
  audit.note({ event: "lease", times: 4 });
  audit.note({ event: "lease-ended", why: "released" });
  for (const why of ["time", "kick", "gone"]) audit.note({ event: "lease-ended", why });
  audit.note({ event: "refused", what: "lease" });
  audit.note({ event: "refused", what: "refused", reason: "no certificate was shown", times: 263 });
  audit.note({ event: "refused", call: "SCardTransmit" });
  const lines = metrics.text().split("\n");
  for (const line of [
    'cardwire_lease_outcomes_total{outcome="granted"} 5',
    'cardwire_lease_outcomes_total{outcome="released"} 1',
    'cardwire_lease_outcomes_total{outcome="lost"} 3',
    'cardwire_lease_outcomes_total{outcome="refused"} 1',
    'cardwire_refusals_total{call="connection"} 263',
    'cardwire_refusals_total{call="lease"} 1',
    'cardwire_refusals_total{call="SCardTransmit"} 1',
    'cardwire_events_total{event="refused"} 265',
  ])
    expect(lines).toContain(line);
});

test("leases in force are shown for each reader", async () => {
  const metrics = new Metrics();
  const readers = ["A 00 00", "B 00 00"].map((name) => fakeReader(name));
  await using arbiter = new Arbiter(fakeService(readers));
  meterState(metrics, { arbiter, links: () => 0 });
  const within = { signal: AbortSignal.timeout(5_000) };
  const lease = await arbiter.lease("B 00 00", { identity: "alice", forMs: 60_000 }, within);
  const shown = () => metrics.text().match(/^cardwire_leases\{.*$/gm);
  expect(shown()).toEqual([
    'cardwire_leases{reader="A 00 00"} 0',
    'cardwire_leases{reader="B 00 00"} 1',
  ]);
  await lease.release();
  expect(shown()?.at(1)).toBe('cardwire_leases{reader="B 00 00"} 0');
});
