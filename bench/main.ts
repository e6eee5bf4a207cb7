import { parseArgs } from "node:util";
import { measureAgent } from "./agent/measure.ts";
import { reportAgent } from "./agent/report.ts";
import { commands, measureCommand, type Runs } from "./commands.ts";
import { type Lent, measureLending } from "./lending.ts";
import { LINE_MS } from "./limits.ts";
import { type LineTurns, measureLineTurns } from "./line-turns.ts";
import { measureLoopback } from "./loopback.ts";
import { machine } from "./machine.ts";
import { report } from "./report.ts";
import { measureServe } from "./serve/measure.ts";
import { openStage, type Stage, ways } from "./stage.ts";
import { measureTcpLine, type TcpLine } from "./tcp-line.ts";

// npm run bench: what cardwire costs beside plain `ssh -L` and pcscd itself, with real programs, as
// Markdown on standard output. It judges nothing by its exit status: a benchmark is not a test.

await import("../test/lab/inside.ts"); // throws outside the namespaces

/** What is measured: the forward, beside pcscd and `ssh -L`; an agent beside both; and serve, with one user and many. */
const parts = ["forward", "agent", "serve"] as const;

const { values, positionals } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    /** Round trip of a line, ms, for the agent: these in place of all. */
    line: { type: "string", multiple: true },
  },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !parts.some((part) => part === name));
if (unknown !== undefined) throw new Error(`bench has no ${unknown}; it has ${parts.join(", ")}`);
const isWanted = (part: (typeof parts)[number]): boolean =>
  positionals.length === 0 || positionals.includes(part);

/** Round trips of the lines, ms. */
const lines = values.quick ? [0, 50] : [0, 20, 50, 100];
const laterRuns = values.quick ? 3 : 5;
/** On the longest line, where a run through `ssh -L` takes seconds. */
const laterRunsOfLongest = 3;
const lineTurnRounds = values.quick ? 2 : 3;
/** Many short rounds: what else the computer does changes from one second to the next. */
const loopback = values.quick ? { rounds: 9, count: 500 } : { rounds: 25, count: 600 };

const progress = (words: string): void => {
  console.error(`bench: ${words} (${Math.round(performance.now() / 1_000)} s)`);
};

async function measureCommands(stage: Stage): Promise<readonly Runs[]> {
  const runs: Runs[] = [];
  for (const command of commands) {
    progress(`${command.title} on the card host`);
    const here = { ways: ["pcscd", "attach unix:"], roundTripMs: 0, later: laterRuns } as const;
    runs.push(...(await measureCommand(stage, command, here)));
  }
  for (const roundTripMs of lines) {
    const later = roundTripMs >= 100 ? laterRunsOfLongest : laterRuns;
    for (const command of commands) {
      progress(`${command.title} on a line of ${roundTripMs} ms`);
      const far = { ways: ["ssh -L", "cardwire"], roundTripMs, later } as const;
      runs.push(...(await measureCommand(stage, command, far)));
    }
  }
  return runs;
}

async function measureTurns(stage: Stage): Promise<readonly LineTurns[]> {
  const rounds = lineTurnRounds;
  progress("turns on the card host");
  const here = { ways: ["pcscd", "attach unix:"], roundTripMs: 0, rounds } as const;
  const turns = [...(await measureLineTurns(stage, here))];
  for (const roundTripMs of lines) {
    progress(`turns on a line of ${roundTripMs} ms`);
    const far = { ways: ["ssh -L", "cardwire"], roundTripMs, rounds } as const;
    turns.push(...(await measureLineTurns(stage, far)));
  }
  return turns;
}

async function measureTcp(stage: Stage): Promise<readonly TcpLine[] | undefined> {
  progress(`turns where TCP has a round trip of ${LINE_MS} ms`);
  return await measureTcpLine(stage, { roundTripMs: LINE_MS, rounds: lineTurnRounds });
}

async function measureLent(stage: Stage): Promise<readonly Lent[]> {
  progress(`the other direction, on a line of ${LINE_MS} ms`);
  return await measureLending(stage, { roundTripMs: LINE_MS, later: laterRuns });
}

async function measureForward(stage: Stage): Promise<string> {
  progress("loopback");
  return report({
    loopback: await measureLoopback(stage, { ways, ...loopback }),
    runs: await measureCommands(stage),
    turns: await measureTurns(stage),
    tcp: await measureTcp(stage),
    lent: await measureLent(stage),
  });
}

const about = await machine();
await using stage = await openStage();
console.log(`${about}\n`);
if (isWanted("forward")) console.log(`${await measureForward(stage)}\n`);
if (isWanted("agent"))
  console.log(
    reportAgent(
      await measureAgent(stage, { ...values, lines: values.line?.map(Number), progress }),
    ),
  );
if (isWanted("serve"))
  for await (const part of measureServe(stage, { quick: values.quick, progress }))
    console.log(`${part}\n`);
progress("done");
