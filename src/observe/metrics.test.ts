import { expect, test } from "vitest";
import { Metrics } from "./metrics.ts";

test("the text is OpenMetrics', with labels escaped", () => {
  const metrics = new Metrics();
  const refusals = metrics.counter("cardwire_refusals", "What was refused.");
  refusals.add({ identity: 'a"b\\c\nd' });
  refusals.add({ identity: "bob" }, 2);
  metrics.gauge("cardwire_links", "Links now.", () => [[{}, 3]]);
  const took = metrics.histogram("cardwire_command_seconds", "How long.", [0.01, 0.1, 1]);
  for (const seconds of [0.005, 0.05, 0.1, 7]) took.observe(seconds, { reader: "r" });
  expect(metrics.text()).toBe(`# TYPE cardwire_refusals counter
# HELP cardwire_refusals What was refused.
cardwire_refusals_total{identity="a\\"b\\\\c\\nd"} 1
cardwire_refusals_total{identity="bob"} 2
# TYPE cardwire_links gauge
# HELP cardwire_links Links now.
cardwire_links 3
# TYPE cardwire_command_seconds histogram
# HELP cardwire_command_seconds How long.
cardwire_command_seconds_bucket{reader="r",le="0.01"} 1
cardwire_command_seconds_bucket{reader="r",le="0.1"} 3
cardwire_command_seconds_bucket{reader="r",le="1"} 3
cardwire_command_seconds_bucket{reader="r",le="+Inf"} 4
cardwire_command_seconds_count{reader="r"} 4
cardwire_command_seconds_sum{reader="r"} 7.155
# EOF
`);
});

test("labels that never end cost bounded memory", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("c", "Something.");
  for (let number = 0; number < 5_000; number += 1) counter.add({ name: `${number}` });
  const lines = metrics.text().split("\n");
  expect(lines.length).toBeLessThan(1_010);
  expect(lines).toContain("c_total 4000");
});
