import { expect } from "vitest";
import { until } from "../lab/processes.ts";
import type { UserName } from "../lab/users.ts";
import { type Attached, LIMIT_MS } from "./attached.ts";
import { Worker } from "./worker.ts";

// What is wanted of several counting programs at one card.

/** How a counting program works. */
interface Counting {
  readonly reader: string;
  /** What its commands begin with, two hexadecimal digits: how they are known in the card's log. */
  readonly mark: string;
  /** Whether it keeps its handle, or connects again for each command. */
  readonly handle: "keep" | "again";
  /** How long it waits between two, s. */
  readonly breath?: string;
}

/** A program that counts at the card: each command has the next number. */
export class CountingWorker extends Worker {
  readonly mark: string;

  constructor(
    env: Attached["env"],
    { reader, mark, handle, breath }: Counting,
    user: UserName = "alice",
  ) {
    const args = [reader, mark, handle, ...(breath === undefined ? [] : [breath])];
    super(env, "counting_worker", args, user);
    this.mark = mark;
  }
}

/** Resolves when each has used the card after this call. */
export async function working(
  workers: readonly CountingWorker[],
  limitMs = LIMIT_MS,
): Promise<void> {
  const counts = workers.map(({ done }) => done.length);
  const worked = () => workers.every(({ done }, at) => done.length > (counts[at] ?? 0));
  await until("the programs to work", worked, limitMs).catch((cause: unknown) => {
    const outputs = workers.map(({ program }) => program.output.slice(-500)).join("\n");
    throw new Error(`somebody does not work; they said last:\n${outputs}`, { cause });
  });
}

/** Lets them end, which each does well. */
export async function end(workers: readonly CountingWorker[]): Promise<void> {
  for (const { program } of workers) program.closeInput();
  for (const { program } of workers)
    expect(await program.exited).toMatchObject({ status: 0, signal: undefined });
}

/**
 * The card, whose log this is, ran no command twice, and each program's in its order; what a program was answered, it
 * ran.
 */
export function mustBeOnceAndInOrder(
  log: readonly string[],
  workers: readonly CountingWorker[],
): void {
  expect(new Set(log).size).toBe(log.length);
  for (const { mark, done } of workers) {
    const mine = log.filter((payload) => payload.startsWith(mark));
    expect(mine).toEqual(mine.toSorted());
    const ran = new Set(mine);
    expect(done.filter((payload) => !ran.has(payload))).toEqual([]);
  }
}

/** Besides, no program saw an error, and each was answered whatever the card ran for it. */
export function mustHaveNoticedNothing(
  log: readonly string[],
  workers: readonly CountingWorker[],
): void {
  mustBeOnceAndInOrder(log, workers);
  for (const { mark, done, summary } of workers) {
    expect(summary.codes).toEqual([]);
    expect(log.filter((payload) => payload.startsWith(mark))).toEqual(done);
  }
}
