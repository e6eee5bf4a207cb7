import { readdir, readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What a process has of the computer's. */
export interface Resources {
  /** Memory in use, MiB: resident, or what is left of the heap after a collection. */
  readonly memory: number;
  readonly descriptors: number;
}

/** @throws {Error} when there is no such process. */
export async function resourcesOf(pid: number): Promise<Resources> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
  return { memory: kib / 1024, descriptors: (await readdir(`/proc/${pid}/fd`)).length };
}

/** What this process has in use after everything that nobody needs was taken away, MiB. */
export function heapInUse(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}
