import type { Stage, WayName } from "./stage.ts";
import { median } from "./statistics.ts";
import { turns } from "./turns.ts";
import { countWaits, TELLING_MS } from "./waits.ts";
import { openWay, type Way } from "./way.ts";

/** Begin+transmit+end, again and again, on one line. */
export interface LineTurns {
  readonly way: WayName;
  readonly roundTripMs: number;
  /** One turn, ms: the median of the rounds. */
  readonly ms: number;
  /** Waits for the line in one turn, counted; undefined where the line is too short to tell. */
  readonly waits: number | undefined;
}

/** How long one round may take, s. */
const SECONDS = 1.5;

/** Measures the ways in turns, `rounds` times. */
export async function measureLineTurns(
  stage: Stage,
  options: {
    readonly ways: readonly WayName[];
    readonly roundTripMs: number;
    readonly rounds: number;
  },
): Promise<readonly LineTurns[]> {
  const { roundTripMs, rounds } = options;
  await stage.pcscd.cards[0].insert();
  const open: { way: Way; ms: number[]; waits: number[] }[] = [];
  try {
    for (const name of options.ways) {
      open.push({ way: await openWay(stage, name, roundTripMs), ms: [], waits: [] });
    }
    for (let round = 0; round < rounds; round++) {
      for (const { way, ms, waits } of open) {
        await way.take();
        const { socket } = way;
        const how = { socket, what: "turn", count: 2_000, seconds: SECONDS } as const;
        const { count, each, from, to } = await turns(stage.turns, how);
        ms.push(each / 1_000);
        const { line } = await way.take();
        if (way.roundTripMs >= TELLING_MS)
          waits.push(countWaits(line, { from, to, roundTripMs }) / count);
      }
    }
  } finally {
    for (const { way } of open) await way[Symbol.asyncDispose]();
  }
  return open.map(({ way, ms, waits }) => ({
    way: way.name,
    roundTripMs: way.roundTripMs,
    ms: median(ms),
    waits: waits.length === 0 ? undefined : median(waits),
  }));
}
