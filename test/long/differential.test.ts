import { test } from "vitest";
import { judge } from "../differential/judge.ts";

// As test/interop/differential.test.ts, with many more sequences, others each time, and every way of attaching.

const SEQUENCES = 5_000;
/** Others each time; what failed says which. */
const SEED = Math.floor(Date.now() / 1_000);

test("cardwire answers as pcscd does, for long", { timeout: 4 * 3_600_000 }, async () => {
  await judge({
    ways: [
      { carrier: "unix", options: [] },
      { carrier: "ssh", options: [] },
      { carrier: "ssh", options: [] },
      { carrier: "unix", options: [] },
      { carrier: "unix", options: ["--no-pipelining"] },
      { carrier: "ssh", options: [] },
      { carrier: "unix", options: [] },
      { carrier: "ssh", options: ["--strict"] },
    ],
    sequences: SEQUENCES,
    seed: SEED,
  });
});
