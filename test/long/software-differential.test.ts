import { test } from "vitest";
import { judge } from "../differential/judge.ts";

// As test/interop/software-differential.test.ts, with many more sequences, others each time.

const SEQUENCES = 5_000;
/** Others each time; what failed says which. */
const SEED = Math.floor(Date.now() / 1_000);

test("software readers answer as pcscd does, for long", { timeout: 4 * 3_600_000 }, async () => {
  await judge({
    ways: [{ carrier: "software", options: [], clients: 4 }],
    sequences: SEQUENCES,
    seed: SEED,
  });
});
