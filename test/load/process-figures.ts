import { readdir, readFile, readlink } from "node:fs/promises";

/** What a process has, as /proc tells it. */
export interface Figures {
  /** Resident memory, MB. */
  readonly memory: number;
  readonly descriptors: number;
  readonly sockets: number;
  readonly threads: number;
  /** Time on a processor since its start, ms. */
  readonly cpu: number;
}

/** A clock tick of proc(5) on Linux, ms. */
const TICK_MS = 10;

export async function figuresOf(pid: number): Promise<Figures> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  const names = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")),
  );
  return {
    memory: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024,
    descriptors: names.length,
    sockets: targets.filter((target) => target.startsWith("socket:")).length,
    threads: field(20),
    cpu: (field(14) + field(15)) * TICK_MS,
  };
}

/** The middle of some numbers. */
export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
