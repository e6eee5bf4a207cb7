import type { Runs } from "../commands.ts";
import { LINE_MS } from "../limits.ts";
import { measureLoopback } from "../loopback.ts";
import type { Stage } from "../stage.ts";
import { openWay, type Way } from "../way.ts";
import { type Calls, measureCalls } from "./calls.ts";
import { comparedWays, type MeasuredAgent } from "./compared.ts";
import { insertPivCard } from "./piv-card.ts";
import { reportAgent } from "./report.ts";
import { empty, measurePrograms, withPiv } from "./programs.ts";

export const loopbackWays = ["ssh -L", "cardwire", "agent"] as const;

/** A line, and how often a program runs on it after its first time. */
interface Line {
  readonly roundTripMs: number;
  readonly later: number;
}

const allLines: readonly Line[] = [
  { roundTripMs: 0, later: 5 },
  { roundTripMs: 20, later: 3 },
  { roundTripMs: 50, later: 3 },
  { roundTripMs: 100, later: 1 },
  { roundTripMs: 200, later: 1 },
];
/** How often, at most, and on which lines, when it has to go quickly. */
const quickly = { later: 1, lines: [LINE_MS] };

function linesFor({ quick, lines }: { quick: boolean; lines?: readonly number[] | undefined }) {
  const wanted = lines ?? (quick ? quickly.lines : undefined);
  return allLines
    .filter(({ roundTripMs }) => wanted?.includes(roundTripMs) ?? true)
    .map((line) => (quick ? { ...line, later: quickly.later } : line));
}

/** Measures an agent beside `ssh -L` and a forward. */
export async function measureAgent(
  stage: Stage,
  options: {
    readonly quick: boolean;
    /** Round trips of the lines to measure on, ms; unless told, all, or the one that matters. */
    readonly lines?: readonly number[] | undefined;
    readonly progress: (words: string) => void;
  },
): Promise<MeasuredAgent> {
  const { quick, progress } = options;
  const runs: Runs[] = [];
  const calls: Calls[] = [];
  for (const line of linesFor(options)) {
    const measured = await measureLine(stage, line, progress);
    runs.push(...measured.runs);
    calls.push(...measured.calls);
    progress(`so far:\n${reportAgent({ runs, calls, loopback: [] })}\n`);
  }
  progress("loopback");
  const rounds = quick ? { rounds: 9, count: 500 } : { rounds: 25, count: 600 };
  const loopback = await measureLoopback(stage, { ways: loopbackWays, ...rounds });
  return { runs, calls, loopback };
}

async function measureLine(
  stage: Stage,
  { roundTripMs, later }: Line,
  progress: (words: string) => void,
): Promise<{ readonly runs: readonly Runs[]; readonly calls: readonly Calls[] }> {
  const tell = (what: string): void => progress(`${what} on a line of ${roundTripMs} ms`);
  const ways: Way[] = [];
  try {
    const [card] = stage.pcscd.cards;
    await card.pull();
    for (const name of comparedWays) ways.push(await openWay(stage, name, roundTripMs));
    tell("programs, empty readers,");
    const runs = [...(await measurePrograms(ways, empty, later))];
    {
      await using _piv = await insertPivCard(stage.pcscd);
      tell("programs, a PIV card,");
      runs.push(...(await measurePrograms(ways, withPiv, later)));
    }
    await card.insert();
    tell("calls");
    return { runs, calls: await measureCalls(stage, ways) };
  } finally {
    for (const way of ways) await way[Symbol.asyncDispose]();
  }
}
