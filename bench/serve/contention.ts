import { readFile } from "node:fs/promises";
import { start } from "../../test/lab/programs.ts";
import { figure, table } from "../markdown.ts";
import { median } from "../statistics.ts";

/** One turn of one program, µs of CLOCK_MONOTONIC. */
interface Turn {
  readonly who: number;
  readonly asked: number;
  readonly granted: number;
  readonly answered: number;
  readonly over: number;
}

/** What came of several programs that wanted one card for a while. */
export interface Contention {
  readonly way: string;
  readonly programs: number;
  readonly turnsPerSecond: number;
  /** Of a program that gets its fair share: how long from one of its turns to the next, on average, ms. */
  readonly fairMs: number;
  /** The longest that any of them waited, ms. */
  readonly longestMs: number;
  /** From one's end to the next one's begin being granted, and to its first answer, ms; medians. */
  readonly handOverMs: { readonly granted: number; readonly answered: number };
  /** Turns of the one that had the fewest, and the most. */
  readonly fewest: number;
  readonly most: number;
  /** How often a program was told of a reset. */
  readonly resets: number;
  /** How often somebody got the card before one who had asked at least a millisecond earlier. */
  readonly overtaken: number;
}

const COMMANDS = 3;
/** From the start of the programs to that of their turns, ms: all of them are connected by then. */
const GATHER_MS = 4_000;

/** @param sockets of the programs: as many as there are programs. */
export async function contend(
  program: string,
  way: string,
  { sockets, seconds }: { readonly sockets: readonly string[]; readonly seconds: number },
): Promise<Contention> {
  const startMs = Number(process.hrtime.bigint() / 1_000_000n) + GATHER_MS;
  const args = [String(startMs), String(seconds), String(COMMANDS)];
  const running = sockets.map((socket) =>
    start(program, args, { user: "alice", env: { PCSCLITE_CSOCK_NAME: socket } }),
  );
  const turns: Turn[] = [];
  const counts: number[] = [];
  let resets = 0;
  for (const [who, one] of running.entries()) {
    const { status } = await one.exited;
    if (status !== 0) throw new Error(`${way}: a program failed: ${one.output.slice(-500)}`);
    const lines = one.output.split("\n");
    const own = lines
      .filter((line) => line.startsWith("turn "))
      .map((line) => line.split(" ").slice(1).map(Number));
    counts.push(own.length);
    for (const [asked = 0, granted = 0, answered = 0, over = 0] of own)
      turns.push({ who, asked, granted, answered, over });
    resets += Number(/^resets (\d+)$/m.exec(one.output)?.[1] ?? 0);
  }
  turns.sort((a, b) => a.granted - b.granted);
  const waits = turns.map(({ asked, granted }) => (granted - asked) / 1_000);
  const handOver = (until: "granted" | "answered"): number =>
    median(
      turns.flatMap((turn, at) => {
        const before = turns[at - 1];
        return before && before.who !== turn.who ? [(turn[until] - before.over) / 1_000] : [];
      }),
    );
  const turnsPerSecond = turns.length / seconds;
  return {
    way,
    programs: sockets.length,
    turnsPerSecond,
    fairMs: (1_000 * sockets.length) / turnsPerSecond,
    longestMs: Math.max(...waits),
    handOverMs: { granted: handOver("granted"), answered: handOver("answered") },
    fewest: Math.min(...counts),
    most: Math.max(...counts),
    resets,
    overtaken: overtakings(turns),
  };
}

/** Turns before which somebody else had asked for at least a millisecond longer, and who came later. */
function overtakings(turns: readonly Turn[]): number {
  let count = 0;
  for (const [at, turn] of turns.entries())
    if (turns.slice(at + 1, at + 100).some(({ asked }) => asked < turn.asked - 1_000)) count += 1;
  return count;
}

/** How long the resets between two identities took, ms, from the record of serve. */
export async function handOversIn(audit: string): Promise<readonly number[]> {
  const text = await readFile(audit, "utf8");
  return text
    .split("\n")
    .filter((line) => line.includes('"event":"hand-over"'))
    .map((line) => (JSON.parse(line) as { readonly ms: number }).ms);
}

export function contentionTable(all: readonly Contention[]): string {
  const head = [
    "through",
    "programs",
    "turns a second",
    "longest wait, ms",
    "of a fair share",
    "fewest and most turns",
    "overtaken",
    "hand-over to grant and first answer, ms",
    "resets told",
  ];
  const rows = all.map((one) => [
    one.way,
    `${one.programs}`,
    figure(one.turnsPerSecond),
    figure(one.longestMs),
    figure(one.longestMs / one.fairMs, 2),
    `${one.fewest}, ${one.most}`,
    `${one.overtaken}`,
    `${figure(one.handOverMs.granted, 2)}, ${figure(one.handOverMs.answered, 2)}`,
    `${one.resets}`,
  ]);
  return table(head, rows);
}
