import { type Cost, commands, type Runs } from "./commands.ts";
import { label } from "./label.ts";
import { LINE_MS, limitsTable, type Measured } from "./limits.ts";
import type { LineTurns } from "./line-turns.ts";
import { loopbackTable } from "./loopback.ts";
import { figure, table } from "./markdown.ts";
import type { Tally } from "./recorder.ts";
import type { WayName } from "./stage.ts";
import { slope } from "./statistics.ts";

type When = "first" | "later";

/** The longest line that was measured, on which waits are counted best. */
const longest = (runs: readonly { readonly roundTripMs: number }[]): number =>
  Math.max(...runs.map(({ roundTripMs }) => roundTripMs));

/** A round trip lasts a little longer than the line, so that the slope of many is too steep by some percent. */
function agree(bySlope: number, counted: number | undefined): boolean {
  if (counted === undefined) return false;
  return Math.abs(bySlope - counted) < Math.max(0.5, 0.05 * counted);
}

/** Round trips by the slope of the wall time over the lines, and as counted on the longest. */
function roundTrips({ runs }: Measured): string {
  const far = longest(runs);
  const row = (title: string, way: WayName, when: When): readonly string[] => {
    const points = runs.filter((one) => one.way === way && one.command.title === title);
    const bySlope = slope(points.map((one) => ({ x: one.roundTripMs, y: one[when].ms })));
    const counted = points.find((one) => one.roundTripMs === far)?.[when].waits;
    return [
      `\`${title}\``,
      label(way),
      when === "first" ? "first" : "second",
      figure(bySlope, 1),
      figure(counted),
      agree(bySlope, counted) ? "yes" : "**no**",
    ];
  };
  const rows = commands.flatMap(({ title }) =>
    (["ssh -L", "cardwire"] as const).flatMap((way) =>
      (["first", "later"] as const).map((when) => row(title, way, when)),
    ),
  );
  const head = ["command", "through", "run", "by the slope", "counted", "agree"];
  return table(head, rows, { left: 3 });
}

function costs(runs: readonly Runs[], withLine: boolean): string {
  const cells = (cost: Cost): readonly string[] => [
    figure(cost.ms),
    figure(cost.requests),
    ...(withLine ? [figure(cost.waits), figure(cost.up), figure(cost.down)] : []),
  ];
  const head = ["command", "through", "run", "wall time, ms", "requests"];
  const more = withLine ? ["round trips", "bytes up", "bytes down"] : [];
  const rows = runs.flatMap((one) =>
    (["first", "later"] as const).map((when) => [
      `\`${one.command.title}\``,
      label(one.way),
      when === "first" ? "first" : "second",
      ...cells(one[when]),
    ]),
  );
  return table([...head, ...more], rows, { left: 3 });
}

/** What the requests were, as the last run sent them. */
function requestKinds({ runs }: Measured): string {
  const words = (tally: Tally): string =>
    Object.entries(tally)
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ") || "none";
  const far = longest(runs);
  const rows = runs
    .filter(({ roundTripMs }) => roundTripMs === far)
    .map((one) => [`\`${one.command.title}\``, label(one.way), words(one.later.byCommand)]);
  return table(["command", "through", "requests of a later run"], rows, { left: 3 });
}

function lineTurns(all: readonly LineTurns[]): string {
  const rows = all.map((one) => [
    one.way === "ssh -L" || one.way === "cardwire"
      ? `a line of ${one.roundTripMs} ms`
      : "the card host",
    label(one.way),
    figure(1_000 / one.ms, 1),
    figure(one.ms, 1),
    figure(one.waits, 2),
  ]);
  const head = ["on", "through", "turns a second", "a turn, ms", "round trips, counted"];
  return table(head, rows, { left: 2 });
}

function turnSlopes(all: readonly LineTurns[]): string {
  const rows = (["ssh -L", "cardwire"] as const).map((way) => {
    const points = all.filter((one) => one.way === way);
    const bySlope = slope(points.map((one) => ({ x: one.roundTripMs, y: one.ms })));
    const far = points.find((one) => one.roundTripMs === longest(points));
    return [label(way), figure(bySlope, 2), figure(far?.waits, 2)];
  });
  return table(["through", "round trips a turn, by the slope", "counted"], rows);
}

function tcpLine({ tcp }: Measured): string {
  if (!tcp) return "Not measured: this computer has no /dev/net/tun.";
  const rows = tcp.map((one) => [
    label(one.way),
    figure(one.transmit, 1),
    figure(one.turn, 1),
    figure(one.transmit / LINE_MS, 1),
    figure(one.turn / LINE_MS, 1),
  ]);
  const head = [
    "through",
    "a transmit, ms",
    "a turn, ms",
    "a transmit, round trips",
    "a turn, round trips",
  ];
  return table(head, rows);
}

function lending({ lent }: Measured): string {
  const rows = lent.map(({ way, command, ms }) => [
    `\`${command.title}\``,
    way === "share" ? "`cardwire share`" : "`ssh -R`",
    figure(ms),
  ]);
  return table(["command over there", "through", "wall time, ms"], rows, { left: 2 });
}

/** Everything that was measured, as Markdown. */
export function report(measured: Measured): string {
  const { runs, turns } = measured;
  const here = runs.filter(({ way }) => way === "pcscd" || way === "attach unix:");
  const far = runs.filter((one) => !here.includes(one));
  const lines = [...new Set(far.map(({ roundTripMs }) => roundTripMs))];
  return [
    "### Limits",
    limitsTable(measured),
    "### Round trips that programs wait for",
    roundTrips({ ...measured, runs: far }),
    ...lines.flatMap((ms) => [
      `### A line with a round trip of ${ms} ms`,
      costs(
        far.filter(({ roundTripMs }) => roundTripMs === ms),
        true,
      ),
    ]),
    "### On the card host",
    costs(here, false),
    "### What the requests were",
    requestKinds({ ...measured, runs: far }),
    "### Begin+transmit+end",
    lineTurns(turns),
    turnSlopes(turns),
    `### Begin+transmit+end where ssh's own TCP has a round trip of ${LINE_MS} ms`,
    tcpLine(measured),
    `### The other direction, on a line with a round trip of ${LINE_MS} ms`,
    lending(measured),
    "### Loopback, without a delay",
    loopbackTable(measured.loopback),
  ].join("\n\n");
}
