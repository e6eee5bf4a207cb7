import { test } from "vitest";
import { foundInSoftware } from "../differential/found.ts";
import { judge, judgeAll } from "../differential/judge.ts";
import type { Way } from "../differential/world.ts";

// Random PC/SC calls of several programs at once get the same answers from software readers as from pcscd with vpcd.

const SOFTWARE: Way = { carrier: "software", options: [], clients: 4 };
const SEQUENCES = 60;
/** The same each time, so that what failed once fails again. */
const SEED = 1;

test("what once differed does not any more", { timeout: 120_000 }, async () => {
  await judgeAll(SOFTWARE, Object.values(foundInSoftware));
});

test("software readers answer as pcscd does", { timeout: 600_000 }, async () => {
  await judge({ ways: [SOFTWARE], sequences: SEQUENCES, seed: SEED });
});
