import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How long what was given up may take until it has ended, ms: last words wait 2 s for somebody who reads them. */
const ENDING_MS = 3_000;
/** Collections in a row: what one frees may have kept more from being freed. */
const COLLECTIONS = 4;

/** What is kept in memory, MiB: garbage, and what is about to end, do not count. */
export async function keptMemory(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await sleep(ENDING_MS);
  for (let left = COLLECTIONS; left > 0; left -= 1) {
    collect();
    await sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}
