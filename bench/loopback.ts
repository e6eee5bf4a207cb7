import { label } from "./label.ts";
import { figure, table } from "./markdown.ts";
import { type Attached, cardwireAttach, plainForward } from "./attach.ts";
import type { Stage, WayName } from "./stage.ts";
import { median } from "./statistics.ts";
import { type Turns, turns } from "./turns.ts";
import { flagsOf } from "./way.ts";

/** One way on loopback: every round's figures, in the order of the rounds. */
export interface Loopback {
  readonly way: WayName;
  /** A transmit, µs. */
  readonly transmits: readonly number[];
  /** A begin+transmit+end, µs. */
  readonly turns: readonly number[];
}

/** The middle of a way's figures over those of `ssh -L` in the same round. */
export function ratio(
  all: readonly Loopback[],
  way: WayName,
  pick: (one: Loopback) => readonly number[],
): number {
  const figures = (name: WayName): readonly number[] => {
    const found = all.find((one) => one.way === name);
    return found ? pick(found) : [];
  };
  const base = figures("ssh -L");
  return median(figures(way).map((value, round) => value / (base[round] ?? Number.NaN)));
}

const MAX_SECONDS = 20;

/**
 * What cardwire itself costs: no delay, no recorder and no ProxyCommand, ssh straight to the real
 * sshd. The ways take turns, so that whatever else the computer does falls on all of them.
 */
export async function measureLoopback(
  stage: Stage,
  options: {
    readonly ways: readonly WayName[];
    readonly rounds: number;
    readonly count: number;
  },
): Promise<readonly Loopback[]> {
  const { pcscd, bareSshd } = stage;
  await pcscd.cards[0].insert();
  const { clientConfig: config } = bareSshd;
  const attach = (way: Exclude<WayName, "pcscd">): Promise<Attached> => {
    if (way === "attach unix:") return cardwireAttach(`unix:${pcscd.socketPath}`);
    if (way === "ssh -L") return plainForward(config, "/run/pcscd/pcscd.comm");
    return cardwireAttach("cardhost", { config, flags: flagsOf(way) });
  };
  const { ways } = options;
  const open: Attached[] = [];
  try {
    const sockets = new Map<WayName, string>([["pcscd", pcscd.socketPath]]);
    for (const way of ways) {
      if (way === "pcscd") continue;
      const attached = await attach(way);
      open.push(attached);
      sockets.set(way, attached.socket);
    }
    const one = async (way: WayName, what: "transmit" | "turn"): Promise<Turns> =>
      await turns(stage.turns, {
        socket: sockets.get(way) ?? "",
        what,
        count: options.count,
        seconds: MAX_SECONDS,
      });
    const measured = ways.map((way) => ({
      way,
      transmits: [] as number[],
      turns: [] as number[],
    }));
    for (const way of ways) await one(way, "turn"); // the compilers of Node.js get to know the code
    for (let round = 0; round < options.rounds; round++) {
      for (const { way, transmits } of measured) transmits.push((await one(way, "transmit")).each);
      for (const { way, turns: each } of measured) each.push((await one(way, "turn")).each);
    }
    return measured;
  } finally {
    for (const attached of open) await attached[Symbol.asyncDispose]();
  }
}

/** As a table, with the range of the rounds. */
export function loopbackTable(all: readonly Loopback[]): string {
  const range = (values: readonly number[]): string =>
    `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
  const rows = all.map((one) => [
    label(one.way),
    range(one.transmits),
    figure(
      ratio(all, one.way, (each) => each.transmits),
      2,
    ),
    range(one.turns.map((us) => 1e6 / us)),
    figure(1 / ratio(all, one.way, (each) => each.turns), 2),
  ]);
  const head = ["through", "a transmit, µs", "over `ssh -L`", "turns a second", "over `ssh -L`"];
  return table(head, rows);
}
