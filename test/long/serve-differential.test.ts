import { test } from "vitest";
import { judge } from "../differential/judge.ts";

// As test/interop/serve-differential.test.ts, with many more sequences, others each time, and with short cuts off, too.

const SEQUENCES = 2_000;
/** Others each time; what failed says which. */
const SEED = Math.floor(Date.now() / 1_000);

test("a serve answers as pcscd does, for long", { timeout: 4 * 3_600_000 }, async () => {
  const serve = (...options: readonly string[]) => ({ carrier: "serve" as const, options });
  await judge({
    ways: [serve(), serve(), serve(), serve("--strict")],
    sequences: SEQUENCES,
    seed: SEED,
  });
});
