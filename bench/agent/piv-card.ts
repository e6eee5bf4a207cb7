import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Pcscd } from "../../test/lab/pcscd.ts";
import { until } from "../../test/lab/processes.ts";
import { run, start } from "../../test/lab/programs.ts";

const CARDWIRE = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** Making its keys takes a while. */
const MAKING_MS = 120_000;

/** A new PIV card of cardwire's own in the first reader, until it is disposed. */
export async function insertPivCard(pcscd: Pcscd): Promise<AsyncDisposable> {
  await pcscd.cards[0].pull();
  const directory = await mkdtemp(join(tmpdir(), "piv-"));
  await run("chown", ["alice", directory]);
  const file = join(directory, "bench.card");
  const made = await run("node", [CARDWIRE, "card", "new", "piv", file, "--name", "Bench"], {
    user: "alice",
    timeoutMs: MAKING_MS,
  });
  if (made.status !== 0) throw new Error(made.stderr);
  const card = start("node", [CARDWIRE, "card", "piv", file, "--vpcd", "127.0.0.1:35963"], {
    user: "alice",
    on: pcscd.network,
  });
  await card.waitForLine(/is in the reader/);
  const seen = async (present: boolean): Promise<void> => {
    await until(`pcscd to notice the PIV card ${present ? "come" : "go"}`, async () => {
      const [reader] = await pcscd.readers();
      return (reader !== undefined && reader.atr !== "") === present;
    });
  };
  await seen(true);
  return {
    async [Symbol.asyncDispose]() {
      await card.stop();
      await seen(false);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
