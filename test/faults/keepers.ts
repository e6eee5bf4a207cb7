import { readFile } from "node:fs/promises";
import { processes } from "../lab/processes.ts";

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
