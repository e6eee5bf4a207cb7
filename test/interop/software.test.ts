import { expect, test } from "vitest";
import { atrs, TestCard } from "../lab/card.ts";
import { until } from "../lab/processes.ts";
import { run, start } from "../lab/programs.ts";
import { VPCD_PORT, VpcdSlot } from "../lab/vpcd.ts";
import { PcscClient } from "../pcsc/client.ts";
import { attach, MAIN, PATIENCE_MS, using } from "./programs/cardwire.ts";

// Readers of cardwire itself, with no pcscd anywhere. The cards come in by vsmartcard's protocol, as those of other
// projects do; test/lab/vpcd.ts speaks it as they do to vpcd, and knows nothing of cardwire's own code.

const READERS = ["Software Reader 00 00", "Software Reader 01 00"];

test("every program finds empty readers, and sees a card come and go", async () => {
  await using attached = await attach(["software:"]);
  const env = using(attached.socket);
  const listed = await run("opensc-tool", ["-l"], { user: "alice", env });
  expect(listed.stdout).toMatch(/0 +No +Software Reader 00 00\n1 +No +Software Reader 01 00\n/);
  await using scan = start("pcsc_scan", ["-n"], { user: "alice", env });
  const next = (line: RegExp) => scan.waitForLine(line, { timeoutMs: PATIENCE_MS });
  await next(/Card removed/);
  const slot = new VpcdSlot(new TestCard(), 0);
  slot.insert();
  await next(/ATR: 3B 80 80 01 01/);
  slot.pull();
  await next(/Card removed/);
});

test("a card of another program answers, is asked for its ATR again, and comes back after a break", async () => {
  await using attached = await attach(["software:"]);
  await using client = new PcscClient(attached.socket);
  const card = new TestCard();
  const slot = new VpcdSlot(card, 1);
  const [, reader] = READERS;
  const has = (atr: string) =>
    until(`the card with ${atr}`, async () => {
      const { states } = await client.must("change", { context: "a", readers: [[reader, 0]] });
      return (states as { atr: string }[])[0]?.atr === atr;
    });
  await client.must("establish", { context: "a" });
  slot.insert();
  await has(atrs.both);
  await client.must("connect", { context: "a", card: "c", reader });
  const sent = await client.must("transmit", { card: "c", apdu: "80e40800000000" });
  expect(String(sent["answer"]).length).toBe(2 * (0x800 + 2));
  const before = slot.counters.atrRequests;
  await client.must("reconnect", { card: "c", initialization: 1 });
  expect(slot.counters.atrRequests).toBeGreaterThan(before);
  expect(slot.counters.resets).toBe(1);

  slot.pull();
  expect(await client.call("status", { card: "c" })).toMatchObject({ rv: "0x80100069" });
  card.atr = Buffer.from(atrs.t0, "hex");
  slot.insert();
  await has(atrs.t0);
  expect(await client.must("reconnect", { card: "c" })).toMatchObject({ protocol: 1 });
  slot.pull();
});

test("a taken port is told, with who has it, and another can be chosen", async () => {
  await using first = await attach(["software:"]);
  const refused = await run("node", [MAIN, "attach", "software:", "--name", "second"], {
    user: "alice",
  });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(
    new RegExp(`port ${VPCD_PORT}, .* is in use by process ${first.program.pid} \\(node`),
  );
  expect(refused.stderr).toContain("--vpcd-port");
  await using other = await attach(["software:", "--name", "second", "--vpcd-port", "0"]);
  const listed = await run("opensc-tool", ["-l"], { user: "alice", env: using(other.socket) });
  expect(listed.stdout).toContain("Software Reader 01 00");
});
