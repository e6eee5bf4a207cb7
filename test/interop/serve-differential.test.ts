import { test } from "vitest";
import { judge } from "../differential/judge.ts";
import type { Way } from "../differential/world.ts";

// Random PC/SC calls of several programs of one identity get the same answers through a serve, and all that stands in it,
// as from pcscd itself; but who would be refused because another has the card waits for his turn, and there the
// comparison ends.

const SERVE: Way = { carrier: "serve", options: [] };
const SEQUENCES = 40;
/** The same each time, so that what failed once fails again. */
const SEED = 100;

test("a serve answers as pcscd does", { timeout: 600_000 }, async () => {
  await judge({ ways: [SERVE], sequences: SEQUENCES, seed: SEED });
});
