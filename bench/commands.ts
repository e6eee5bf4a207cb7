import { setTimeout as delay } from "node:timers/promises";
import { run } from "../test/lab/programs.ts";
import type { Tally } from "./recorder.ts";
import type { Stage, WayName } from "./stage.ts";
import { median } from "./statistics.ts";
import { countWaits, now, TELLING_MS } from "./waits.ts";
import { openWay, type Way } from "./way.ts";

/** A program that people run, and what it says when it succeeded. */
export interface Command {
  readonly title: string;
  readonly argv: readonly [string, ...string[]];
  readonly withCard: boolean;
  readonly says: RegExp;
  /** How long it may take, ms, where that is more than half a minute. */
  readonly timeoutMs?: number;
}

export const commands: readonly Command[] = [
  {
    title: "pcsc_scan -r",
    argv: ["pcsc_scan", "-r"],
    withCard: false,
    says: /Virtual PCD 00 01/,
  },
  {
    title: "opensc-tool -l",
    argv: ["opensc-tool", "-l"],
    withCard: false,
    says: /Virtual PCD 00 01/,
  },
  {
    title: "opensc-tool -a",
    argv: ["opensc-tool", "-a"],
    withCard: true,
    says: /3b:80:80:01:01/,
  },
  {
    title: "pkcs11-tool -L",
    argv: ["pkcs11-tool", "-L"],
    withCard: false,
    says: /Virtual PCD 00 01[^]*\(empty\)/,
  },
];

/** What one run of a program cost. */
export interface Cost {
  /** From start to end, ms. */
  readonly ms: number;
  /** That reached pcscd, whether or not the program waited for them. */
  readonly requests: number;
  readonly byCommand: Tally;
  /** How often the program waited for the line; undefined where it is too short to tell. */
  readonly waits: number | undefined;
  /** Bytes on the line. */
  readonly up: number;
  readonly down: number;
}

/** The first run on a fresh way, and the later ones. */
export interface Runs {
  readonly way: WayName;
  readonly roundTripMs: number;
  readonly command: Command;
  readonly first: Cost;
  /** Medians. */
  readonly later: Cost;
}

/** Until everything that nobody waited for has come back as well: at most three round trips. */
export const settled = ({ roundTripMs }: Way): Promise<void> => delay(80 + 3 * roundTripMs);

/** Runs a program once. @throws {Error} when it does not say what it should. */
export async function cost(
  way: Way,
  { title, argv, says, timeoutMs = 30_000 }: Command,
): Promise<Cost> {
  await settled(way);
  await way.take();
  const [program, ...args] = argv;
  const env = { PCSCLITE_CSOCK_NAME: way.socket };
  const from = now();
  const ran = await run(program, args, { user: "alice", env, timeoutMs });
  const to = now();
  if (!says.test(`${ran.stdout}${ran.stderr}`)) {
    throw new Error(`${title} through ${way.name} failed:\n${ran.stdout}${ran.stderr}`);
  }
  await settled(way);
  const { requests, line } = await way.take();
  const { roundTripMs } = way;
  const bytes = (toServer: boolean): number =>
    line.reduce((sum, event) => sum + (event.toServer === toServer ? event.bytes : 0), 0);
  return {
    ms: ran.ms,
    requests: Object.values(requests).reduce((sum, count) => sum + count, 0),
    byCommand: requests,
    waits: roundTripMs < TELLING_MS ? undefined : countWaits(line, { from, to, roundTripMs }),
    up: bytes(true),
    down: bytes(false),
  };
}

export function medians(costs: readonly Cost[]): Cost {
  const of = (pick: (cost: Cost) => number | undefined): number =>
    median(costs.map(pick).filter((value) => value !== undefined));
  const waits = of((one) => one.waits);
  return {
    ms: of((one) => one.ms),
    requests: of((one) => one.requests),
    byCommand: costs.at(-1)?.byCommand ?? {},
    waits: Number.isNaN(waits) ? undefined : waits,
    up: of((one) => one.up),
    down: of((one) => one.down),
  };
}

/** Commands to the card that are no GET RESPONSE. */
export const spentOnCard = (tally: Tally): number => tally["transmit"] ?? 0;

/** Runs a command on several fresh ways in turns: once, and then `later` times more. */
export async function measureCommand(
  stage: Stage,
  command: Command,
  options: {
    readonly ways: readonly WayName[];
    readonly roundTripMs: number;
    readonly later: number;
  },
): Promise<readonly Runs[]> {
  const { roundTripMs, later } = options;
  const [card] = stage.pcscd.cards;
  await (command.withCard ? card.insert() : card.pull());
  const open: { way: Way; costs: Cost[] }[] = [];
  try {
    for (const name of options.ways) {
      open.push({ way: await openWay(stage, name, roundTripMs), costs: [] });
    }
    for (let round = 0; round <= later; round++) {
      for (const { way, costs } of open) costs.push(await cost(way, command));
    }
  } finally {
    for (const { way } of open) await way[Symbol.asyncDispose]();
  }
  return open.flatMap(({ way, costs: [first, ...others] }) =>
    first ? [{ way: way.name, roundTripMs, command, first, later: medians(others) }] : [],
  );
}
