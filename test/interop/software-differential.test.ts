import { test } from "vitest";
import { judge } from "../differential/judge.ts";

// Random PC/SC calls of several programs at once get the same answers from software readers as from pcscd with vpcd.

test("software readers answer as pcscd does", { timeout: 600_000 }, async () => {
  await judge({ ways: [{ carrier: "software", options: [] }], sequences: 100, seed: 1 });
});
