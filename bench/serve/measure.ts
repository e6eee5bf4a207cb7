import { plainForward } from "../attach.ts";
import { compile } from "../compile.ts";
import { figure, table } from "../markdown.ts";
import type { Stage } from "../stage.ts";
import { median } from "../statistics.ts";
import { turns } from "../turns.ts";
import { type Contention, contend, contentionTable, handOversIn } from "./contention.ts";
import { measureMany } from "./many.ts";
import { Serving } from "./serving.ts";

export interface ServeMeasurement {
  readonly quick: boolean;
  readonly progress: (words: string) => void;
}

/** What `serve` costs and how it shares a card, as Markdown, one part after the other. */
export async function* measureServe(
  stage: Stage,
  options: ServeMeasurement,
): AsyncGenerator<string> {
  await stage.pcscd.cards[0].insert();
  yield* measureCards(stage, options);
  yield await measureMany(stage, options);
}

async function* measureCards(stage: Stage, options: ServeMeasurement): AsyncGenerator<string> {
  await using serving = await Serving.open(stage.pcscd.socketPath);
  yield await measureLine(stage, serving, options);
  yield await measureCrowds(stage, serving, options);
}

/** A transmit and a turn through TLS, beside `ssh -L`, in turns. */
async function measureLine(
  { turns: program, bareSshd }: Stage,
  serving: Serving,
  { quick, progress }: ServeMeasurement,
): Promise<string> {
  progress("a link over TLS on loopback");
  await using alone = await serving.attach("solo");
  await using plain = await plainForward(bareSshd.clientConfig, "/run/pcscd/pcscd.comm");
  const ways = { "`ssh -L`": plain.socket, "`attach cardwire://`": alone.socket };
  const { rounds, count } = quick ? { rounds: 9, count: 500 } : { rounds: 25, count: 600 };
  const figures = Object.entries(ways).map(([way, socket]) => ({
    way,
    socket,
    transmit: [] as number[],
    turn: [] as number[],
  }));
  for (const { socket } of figures)
    await turns(program, { socket, what: "turn", count, seconds: 20 });
  for (let round = 0; round < rounds; round += 1)
    for (const what of ["transmit", "turn"] as const)
      for (const one of figures)
        one[what].push(
          (await turns(program, { socket: one.socket, what, count, seconds: 20 })).each,
        );
  const [base] = figures;
  const over = (values: readonly number[], of: readonly number[] = []): number =>
    median(values.map((value, round) => value / (of[round] ?? Number.NaN)));
  const rows = figures.map(({ way, transmit, turn }) => [
    way,
    figure(median(transmit)),
    figure(over(transmit, base?.transmit), 2),
    figure(1e6 / median(turn)),
    figure(1 / over(turn, base?.turn), 2),
  ]);
  const head = ["through", "a transmit, µs", "over `ssh -L`", "turns a second", "over `ssh -L`"];
  return `### serve: one program, loopback\n\n${table(head, rows)}`;
}

async function measureCrowds(
  { pcscd }: Stage,
  serving: Serving,
  { quick, progress }: ServeMeasurement,
): Promise<string> {
  const program = await compile("contend", ["-I/usr/include/PCSC", "-lpcsclite"]);
  const seconds = quick ? 5 : 15;
  const all: Contention[] = [];
  await using one = await serving.attach("crowd");
  const several = [];
  for (let number = 0; number < 5; number += 1) several.push(await serving.attach(`one-${number}`));
  for (const programs of [10, 50]) {
    const ways = {
      pcscd: [pcscd.socketPath],
      "`serve`, one identity": [one.socket],
      "`serve`, five identities": several.map(({ socket }) => socket),
    };
    for (const [way, places] of Object.entries(ways)) {
      progress(`${programs} programs at one card: ${way}`);
      const sockets = Array.from({ length: programs }, (_, at) => places[at % places.length] ?? "");
      await contend(program, way, { sockets, seconds: 2 }); // what is slow at its first use is no matter of turns
      all.push(await contend(program, way, { sockets, seconds }));
    }
  }
  const resets = await handOversIn(serving.audit);
  return `### serve: many programs, one card

Each begins, sends three commands, ends, and begins again, for ${seconds} s, after 2 s that are not counted.

${contentionTable(all)}

Between two identities the card is reset: ${resets.length} times here, in ${figure(median(resets), 2)} ms (median; pcscd and
a card that is a program).`;
}
