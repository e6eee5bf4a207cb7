import { setTimeout as delay } from "node:timers/promises";
import { run } from "../../test/lab/programs.ts";
import { settled } from "../commands.ts";
import type { Stage, WayName } from "../stage.ts";
import { median } from "../statistics.ts";
import { turns } from "../turns.ts";
import { countWaits, TELLING_MS } from "../waits.ts";
import type { Way } from "../way.ts";

/** What is called again and again: a turn is begin, transmit and end. */
export const callNames = ["turn", "connect", "status", "wait"] as const;
export type CallName = (typeof callNames)[number];

/** One kind of call on one way. */
export interface Calls {
  readonly way: WayName;
  readonly roundTripMs: number;
  readonly call: CallName;
  /** One of them, ms: the median; of turns the mean. */
  readonly ms: number;
  /** Round trips of one of them; undefined where the line is too short to tell. */
  readonly waits: number | undefined;
}

const COUNT = 15;
const TURNS = 30;
const SECONDS = 6;
/** See programs.ts. */
const ALONE_MS = 1_200;

async function measureTurns(stage: Stage, way: Way): Promise<Pick<Calls, "ms" | "waits">> {
  const { socket, roundTripMs } = way;
  await way.take();
  const how = { socket, what: "turn", count: TURNS, seconds: SECONDS } as const;
  const { count, each, from, to } = await turns(stage.turns, how);
  const { line } = await way.take();
  const isTold = roundTripMs >= TELLING_MS;
  const waits = isTold ? countWaits(line, { from, to, roundTripMs }) / count : undefined;
  return { ms: each / 1_000, waits };
}

/** A single call that takes less than half a round trip has waited for none. */
async function measureCall(
  stage: Stage,
  way: Way,
  call: CallName,
): Promise<Pick<Calls, "ms" | "waits">> {
  const { socket, roundTripMs } = way;
  const env = { PCSCLITE_CSOCK_NAME: socket };
  const options = { user: "alice", env, timeoutMs: 120_000 } as const;
  const { status, stdout, stderr } = await run(stage.calls, [call, `${COUNT}`], options);
  const each = stdout.trim().split("\n").map(Number);
  if (status !== 0 || each.length !== COUNT) throw new Error(`${call} by ${way.name}: ${stderr}`);
  const ms = median(each) / 1_000;
  return { ms, waits: roundTripMs < TELLING_MS ? undefined : Math.round(ms / roundTripMs) };
}

/** Measures calls to the test card, with nobody else at it. */
export async function measureCalls(stage: Stage, ways: readonly Way[]): Promise<readonly Calls[]> {
  const all: Calls[] = [];
  for (const call of callNames) {
    for (const way of ways) {
      await settled(way);
      await delay(ALONE_MS);
      const { name, roundTripMs } = way;
      const one = await (call === "turn"
        ? measureTurns(stage, way)
        : measureCall(stage, way, call));
      all.push({ way: name, roundTripMs, call, ...one });
    }
  }
  return all;
}
