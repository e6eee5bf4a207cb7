import { readFile } from "node:fs/promises";

/** A process for good: numbers are used again, a number together with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot at which it started: field 22 of /proc/PID/stat (proc(5)). */
  readonly startTime: number;
}

/** Undefined when there is no such process, or only its zombie. */
export async function processIdentity(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined); // it has ended
  if (stat === undefined) return undefined;
  // Field 2 is the program's name in parentheses and may hold blanks and parentheses itself; 3 follows the last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTime = Number(fields[22 - 3]);
  if (fields[0] === "Z" || !Number.isSafeInteger(startTime)) return undefined;
  return { pid, startTime };
}

export async function isRunning({ pid, startTime }: ProcessIdentity): Promise<boolean> {
  return (await processIdentity(pid))?.startTime === startTime;
}

export async function thisProcess(): Promise<ProcessIdentity> {
  const identity = await processIdentity(process.pid);
  // Without /proc an owner is never found alive; 0 is no process' start.
  return identity ?? { pid: process.pid, startTime: 0 };
}
