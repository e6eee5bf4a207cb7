import type { Book } from "./book.ts";
import { type Difference, type Done, type Pair, Parted } from "./pair.ts";
import type { Step } from "./step.ts";

/** A sequence that was run, to its end or to where the worlds parted. */
export interface Ran {
  readonly done: readonly Done[];
  /** All steps that were taken, the last of them the one at which the worlds parted, if they did. */
  readonly steps: readonly Step[];
  readonly difference: Difference | undefined;
}

/** What gives the steps of a sequence, one after the other, from what is open by then. */
export type Source = (book: Book, at: number) => Step | undefined;

/** Runs a sequence in worlds that are at rest. */
export async function run(pair: Pair, source: Source): Promise<Ran> {
  const done: Done[] = [];
  const steps: Step[] = [];
  try {
    for (let at = 0; ; at += 1) {
      const step = source(pair.book, at);
      if (!step) break;
      steps.push(step);
      const taken = await pair.take(step, at);
      done.push(taken);
      if (taken.isChance) break;
    }
    await pair.finish();
    return { done, steps, difference: undefined };
  } catch (error) {
    if (error instanceof Parted) return { done, steps, difference: error.difference };
    // A world that does not do as it is told differs from one that does; if neither does, that shows when it is run again.
    return { done, steps, difference: { what: String(error), direct: "", through: "" } };
  }
}

/** The same steps again; those that make no sense without one that was left out are left out too. */
export function replay(steps: readonly Step[]): Source {
  const left = [...steps];
  return (book) => {
    for (let step = left.shift(); step; step = left.shift()) if (book.allows(step)) return step;
    return undefined;
  };
}
