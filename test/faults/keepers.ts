import { readFile } from "node:fs/promises";
import { processes } from "../lab/processes.ts";

/**
 * How long an agent may be there that is needed no more, ms: one that nobody came to, or whose line is cut for good,
 * waits for 30 s.
 */
export const LEFT_ALONE_MS = 45_000;

/** Process ids of the agents that outlive logins. */
export async function keepers(): Promise<readonly number[]> {
  const found = await Promise.all(
    (await processes()).map(async ({ pid, zombie }) => {
      const title = zombie ? "" : await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return title.startsWith("cardwire keeper") ? [pid] : [];
    }),
  );
  return found.flat();
}
