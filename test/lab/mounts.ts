import { readlink } from "node:fs/promises";
import { run } from "./programs.ts";

/**
 * Runs a command as root where a process has its mounts, so that what it mounts is seen there only.
 *
 * @throws {Error} when that process has none of its own, or the command fails.
 */
export async function runInMountsOf(pid: number, argv: readonly string[]): Promise<void> {
  const [theirs, ours] = await Promise.all(
    [`${pid}`, "self"].map((process) => readlink(`/proc/${process}/ns/mnt`)),
  );
  if (theirs === ours) throw new Error(`process ${pid} has no mounts of its own`);
  const done = await run("nsenter", ["--mount", "--target", `${pid}`, "--", ...argv]);
  if (done.status !== 0) throw new Error(`${argv.join(" ")}: ${done.stderr}`);
}
