import { type Attached, cardwireAttach, plainForward } from "./attach.ts";
import { type Stage, type WayName, ways } from "./stage.ts";
import { median } from "./statistics.ts";
import { type Turns, turns } from "./turns.ts";

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
  options: { readonly rounds: number; readonly count: number },
): Promise<readonly Loopback[]> {
  const { pcscd, bareSshd } = stage;
  await pcscd.cards[0].insert();
  const open: Attached[] = [];
  const hold = async (opening: Promise<Attached>): Promise<string> => {
    const attached = await opening;
    open.push(attached);
    return attached.socket;
  };
  try {
    const sockets: Readonly<Record<WayName, string>> = {
      pcscd: pcscd.socketPath,
      "attach unix:": await hold(cardwireAttach(`unix:${pcscd.socketPath}`)),
      "ssh -L": await hold(plainForward(bareSshd.clientConfig, "/run/pcscd/pcscd.comm")),
      cardwire: await hold(cardwireAttach("cardhost", bareSshd.clientConfig)),
    };
    const one = async (way: WayName, what: "transmit" | "turn"): Promise<Turns> =>
      await turns(stage.turns, {
        socket: sockets[way],
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
