import { test } from "vitest";
import { judge } from "../differential/judge.ts";

// As test/interop/agent-differential.test.ts, with many more sequences, others each time, and with short cuts off, too.

const SEQUENCES = 2_000;
/** Others each time; what failed says which. */
const SEED = Math.floor(Date.now() / 1_000);

test("an agent answers as pcscd does, for long", { timeout: 4 * 3_600_000 }, async () => {
  const agent = (...options: readonly string[]) => ({ carrier: "agent" as const, options });
  await judge({
    ways: [agent(), agent(), agent(), agent("--strict")],
    sequences: SEQUENCES,
    seed: SEED,
  });
});
