import type { Runs } from "./commands.ts";
import type { Lent } from "./lending.ts";
import type { LineTurns } from "./line-turns.ts";
import { type Loopback, ratio } from "./loopback.ts";
import { figure, table } from "./markdown.ts";
import type { WayName } from "./stage.ts";
import type { TcpLine } from "./tcp-line.ts";

export interface Measured {
  readonly runs: readonly Runs[];
  readonly turns: readonly LineTurns[];
  readonly loopback: readonly Loopback[];
  /** On a line of {@link LINE_MS}; undefined where there can be none. */
  readonly tcp: readonly TcpLine[] | undefined;
  /** On a line of {@link LINE_MS}. */
  readonly lent: readonly Lent[];
}

/** The line on which the limits hold, ms of a round trip. */
export const LINE_MS = 50;

/** Round trips that a command may wait for, once the attachment knows the readers. */
const ROUND_TRIPS: Readonly<Record<string, number>> = {
  "pcsc_scan -r": 0,
  "opensc-tool -l": 2, // one a reader
  "pkcs11-tool -L": 2,
};
const ROUND_TRIPS_A_TURN = 2;

/** What a wall time may have on top of its round trips. */
const wallLimit = (roundTrips: number, hereMs: number): number =>
  1.2 * roundTrips * LINE_MS + hereMs + 30;

type Row = readonly [what: string, limit: string, measured: string, verdict: string];

const most = (what: string, limit: number, measured: number | undefined, unit: string): Row => {
  const digits = unit === "ms" ? 0 : 2;
  const holds = measured !== undefined && Number(measured.toFixed(2)) <= limit;
  const verdict = measured === undefined ? "not measured" : holds ? "holds" : "**falls short**";
  return [what, `≤ ${figure(limit, digits)} ${unit}`, figure(measured, digits), verdict];
};

function commandRows({ runs }: Measured): readonly Row[] {
  const find = (title: string, way: WayName, roundTripMs: number) =>
    runs.find(
      (one) => one.command.title === title && one.way === way && one.roundTripMs === roundTripMs,
    )?.later;
  return Object.entries(ROUND_TRIPS).flatMap(([title, allowed]) => {
    const far = find(title, "cardwire", LINE_MS);
    const here = find(title, "attach unix:", 0);
    const waits = Math.min(far?.waits ?? allowed, allowed);
    return [
      most(`\`${title}\`, second run: round trips`, allowed, far?.waits, ""),
      most(`\`${title}\`, second run: wall time`, wallLimit(waits, here?.ms ?? 0), far?.ms, "ms"),
    ];
  });
}

function turnRows({ turns }: Measured): readonly Row[] {
  const far = turns.find((one) => one.way === "cardwire" && one.roundTripMs === LINE_MS);
  const here = turns.find((one) => one.way === "attach unix:");
  const waits = Math.min(far?.waits ?? ROUND_TRIPS_A_TURN, ROUND_TRIPS_A_TURN);
  return [
    most("begin+transmit+end: round trips", ROUND_TRIPS_A_TURN, far?.waits, ""),
    most("begin+transmit+end: wall time", wallLimit(waits, here?.ms ?? 0), far?.ms, "ms"),
  ];
}

/** The same limit where ssh's own TCP connection is as long. */
function tcpRows({ tcp, turns }: Measured): readonly Row[] {
  const far = tcp?.find((one) => one.way === "cardwire");
  const here = turns.find((one) => one.way === "attach unix:");
  const limit = wallLimit(ROUND_TRIPS_A_TURN, here?.ms ?? 0);
  return [most("begin+transmit+end over real TCP: wall time", limit, far?.turn, "ms")];
}

function loopbackRows({ loopback }: Measured): readonly Row[] {
  const transmit = ratio(loopback, "cardwire", (one) => one.transmits);
  const turns = 1 / ratio(loopback, "cardwire", (one) => one.turns);
  const verdict = turns >= 0.9 ? "holds" : "**falls short**";
  return [
    most("loopback: a transmit, over that of `ssh -L`", 1.6, transmit, "times"),
    [
      "loopback: begin+transmit+end a second, over those of `ssh -L`",
      "≥ 0.90 times",
      figure(turns, 2),
      verdict,
    ],
  ];
}

/** What cardwire promises, and whether it was so. */
export const limitsTable = (measured: Measured): string =>
  table(
    ["limit", "", "measured", ""],
    [
      ...commandRows(measured),
      ...turnRows(measured),
      ...tcpRows(measured),
      ...loopbackRows(measured),
    ],
  );
