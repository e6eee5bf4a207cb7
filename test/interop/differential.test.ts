import { test } from "vitest";
import { found } from "../differential/found.ts";
import { judge, judgeAll } from "../differential/judge.ts";

// Random PC/SC calls of several programs at once get the same answers through cardwire as from pcscd itself.

const SEQUENCES = 100;
/** The same each time, so that what failed once fails again. */
const SEED = 1;

test("what once differed does not any more", { timeout: 120_000 }, async () => {
  await judgeAll({ carrier: "unix", options: [] }, Object.values(found));
});

test("cardwire answers as pcscd does", { timeout: 600_000 }, async () => {
  await judge({
    ways: [
      { carrier: "unix", options: [] },
      { carrier: "ssh", options: [] },
    ],
    sequences: SEQUENCES,
    seed: SEED,
  });
});
