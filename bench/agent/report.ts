import { type Runs, spentOnCard } from "../commands.ts";
import { LINE_MS } from "../limits.ts";
import { loopbackTable, ratio } from "../loopback.ts";
import { label } from "../label.ts";
import { figure, table } from "../markdown.ts";
import type { WayName } from "../stage.ts";
import { slope } from "../statistics.ts";
import type { CallName } from "./calls.ts";
import { comparedWays, type MeasuredAgent } from "./compared.ts";

type Row = readonly [what: string, limit: string, measured: string, verdict: string];

interface Bound {
  readonly sign: "≤" | "≥";
  readonly limit: number;
  readonly unit?: string;
}

function row(what: string, { sign, limit, unit = "" }: Bound, measured: number | undefined): Row {
  const is = Number(measured?.toFixed(2));
  const holds = sign === "≤" ? is <= limit : is >= limit;
  const verdict = measured === undefined ? "not measured" : holds ? "holds" : "**falls short**";
  return [what, `${sign} ${limit} ${unit}`.trim(), figure(measured, 2), verdict];
}

const titles: Readonly<Record<CallName, string>> = {
  turn: "begin+transmit+end",
  connect: "connect to a free, powered card",
  status: "status",
  wait: "waiting",
};

/** What an agent is to save, on a line of {@link LINE_MS}. */
function limits({ runs, calls, loopback }: MeasuredAgent): string {
  const program = (title: string, way: WayName) =>
    runs.find((one) => is(one, { way, title, roundTripMs: LINE_MS }))?.later;
  const call = (name: CallName) =>
    calls.find((one) => one.call === name && one.way === "agent" && one.roundTripMs === LINE_MS);
  const sign = "pkcs11-tool --sign --login";
  const status = "yubico-piv-tool -a status";
  const [signed, plain] = [program(sign, "agent"), program(sign, "ssh -L")];
  const part = signed && plain && (100 * signed.ms) / plain.ms;
  const commands = spentOnCard(program(status, "ssh -L")?.byCommand ?? {});
  const rows: readonly Row[] = [
    row(`\`${sign}\`: round trips`, { sign: "≤", limit: 42 }, signed?.waits),
    row(`\`${sign}\`: wall time, of that of \`ssh -L\``, { sign: "≤", limit: 40, unit: "%" }, part),
    row(
      `\`${status}\`: round trips`,
      { sign: "≤", limit: commands },
      program(status, "agent")?.waits,
    ),
    ...["opensc-tool -l", "pkcs11-tool -L"].map((title) =>
      row(
        `\`${title}\`, empty readers: round trips`,
        { sign: "≤", limit: 0 },
        program(title, "agent")?.waits,
      ),
    ),
    ...(["turn", "connect", "status", "wait"] as const).map((name) =>
      row(
        `${titles[name]}: round trips`,
        { sign: "≤", limit: name === "turn" ? 1 : 0 },
        call(name)?.waits,
      ),
    ),
    row(
      "loopback: a transmit, over that of `ssh -L`",
      { sign: "≤", limit: 2.2, unit: "times" },
      ratio(loopback, "agent", (one) => one.transmits),
    ),
    row(
      "loopback: begin+transmit+end a second, over those of `ssh -L`",
      { sign: "≥", limit: 1.2, unit: "times" },
      1 / ratio(loopback, "agent", (one) => one.turns),
    ),
  ];
  return table(["limit", "", "measured", ""], rows);
}

const is = (
  one: Runs,
  { way, title, roundTripMs }: { way: WayName; title: string; roundTripMs?: number },
): boolean =>
  one.way === way &&
  one.command.title === title &&
  (roundTripMs === undefined || one.roundTripMs === roundTripMs);

const linesOf = (all: readonly { readonly roundTripMs: number }[]): readonly number[] => [
  ...new Set(all.map(({ roundTripMs }) => roundTripMs)),
];

/** Wall times of later runs, ms, and round trips. */
function programs({ runs }: MeasuredAgent): string {
  const lines = linesOf(runs);
  const far = Math.max(...lines);
  const rows = [...new Set(runs.map(({ command }) => command.title))].flatMap((title) =>
    comparedWays.map((way) => {
      const points = runs.filter((one) => is(one, { way, title }));
      const at = (roundTripMs: number) => points.find((one) => one.roundTripMs === roundTripMs);
      const bySlope = slope(points.map((one) => ({ x: one.roundTripMs, y: one.later.ms })));
      return [
        `\`${title}\``,
        label(way),
        ...lines.map((ms) => figure(at(ms)?.later.ms)),
        figure(at(LINE_MS)?.first.waits),
        figure(at(LINE_MS)?.later.waits),
        ...(far === LINE_MS ? [] : [figure(at(far)?.later.waits)]),
        figure(bySlope, 1),
      ];
    }),
  );
  const head = ["program", "through", ...lines.map((ms) => `${ms} ms`)];
  const counted = [
    `first, at ${LINE_MS} ms`,
    `later, at ${LINE_MS} ms`,
    ...(far === LINE_MS ? [] : [`at ${far} ms`]),
  ];
  return table([...head, ...counted, "by the slope"], rows, { left: 2 });
}

function callsTable({ calls }: MeasuredAgent): string {
  const lines = linesOf(calls);
  const rows = (["turn", "connect", "status", "wait"] as const).flatMap((call) =>
    comparedWays.map((way) => {
      const points = calls.filter((one) => one.way === way && one.call === call);
      const at = (roundTripMs: number) => points.find((one) => one.roundTripMs === roundTripMs);
      return [
        titles[call],
        label(way),
        ...lines.map((ms) => figure(at(ms)?.ms, 1)),
        figure(at(LINE_MS)?.waits, 2),
      ];
    }),
  );
  const head = ["call", "through", ...lines.map((ms) => `${ms} ms`), `round trips, ${LINE_MS} ms`];
  return table(head, rows, { left: 2 });
}

/** What was measured of an agent, as Markdown. */
export function reportAgent(measured: MeasuredAgent): string {
  const status = "yubico-piv-tool -a status";
  const plain = measured.runs.find((one) => is(one, { way: "ssh -L", title: status }));
  const tally = plain?.later.byCommand ?? {};
  return [
    "### With an agent: limits",
    limits(measured),
    `\`${status}\` sends ${(tally["transmit"] ?? 0) + (tally["get response"] ?? 0)} commands to the card, of which ${tally["get response"] ?? 0} are GET RESPONSE.`,
    "### With an agent: wall time of programs, ms, and round trips",
    programs(measured),
    "### With an agent: calls, ms",
    callsTable(measured),
    "### With an agent: loopback, without a delay",
    loopbackTable(measured.loopback),
  ].join("\n\n");
}
