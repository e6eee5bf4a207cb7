import { test } from "vitest";
import { foundThroughAgent } from "../differential/found.ts";
import { judge, judgeAll } from "../differential/judge.ts";
import type { Way } from "../differential/world.ts";

// Random PC/SC calls of several programs at once get the same answers through a cardwire at both ends, with all short
// cuts, as from pcscd itself.

const AGENT: Way = { carrier: "agent", options: [] };
const SEQUENCES = 40;
/** The same each time, so that what failed once fails again. */
const SEED = 1;

test("what once differed does not any more", { timeout: 120_000 }, async () => {
  await judgeAll(AGENT, Object.values(foundThroughAgent));
});

test("an agent answers as pcscd does", { timeout: 600_000 }, async () => {
  await judge({ ways: [AGENT], sequences: SEQUENCES, seed: SEED });
});
