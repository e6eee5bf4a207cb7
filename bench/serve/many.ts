import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readerNames } from "../../test/lab/pcscd.ts";
import { until } from "../../test/lab/processes.ts";
import { type Program, start } from "../../test/lab/programs.ts";
import { type Figures, figuresOf } from "../../test/load/process-figures.ts";
import { Waiters } from "../../test/load/waiters.ts";
import { figure, table } from "../markdown.ts";
import type { Stage } from "../stage.ts";
import { median } from "../statistics.ts";
import { Serving } from "./serving.ts";

export interface ManyOptions {
  readonly quick: boolean;
  readonly progress: (words: string) => void;
}

/** Links in one process of their own. */
const LINKS_EACH = 200;
/** Contexts at one attachment. */
const CONTEXTS_EACH = 500;
const [READER] = readerNames;

/** What many links and waiting programs cost one `serve`, as Markdown. */
export async function measureMany(
  { pcscd }: Stage,
  { quick, progress }: ManyOptions,
): Promise<string> {
  const [links, contexts] = quick ? [200, 1_000] : [1_000, 5_000];
  const restSeconds = quick ? 10 : 60;
  await using serving = await Serving.open(pcscd.socketPath, "--link-limit", `${links}`);
  await delay(3_000);
  const alone = await figuresOf(serving.pid);
  const aloneAtRest = await atRest(serving.pid, restSeconds);

  progress(`${links} links`);
  const env = await serving.join("many");
  const processes: Links[] = [];
  for (let opened = 0; opened < links; opened += LINKS_EACH) {
    const one = new Links("cardwire://many", LINKS_EACH, env);
    processes.push(one);
    await one.open();
  }
  await delay(5_000);
  const linked = await figuresOf(serving.pid);
  const linkedAtRest = await atRest(serving.pid, restSeconds);
  const linkRounds = await rounds(pcscd, quick ? 2 : 6, async () => {
    const all = processes.map((one) => one.next());
    return async () => (await Promise.all(all)).flat();
  });

  progress(`${contexts} contexts`);
  const attached = [];
  for (let number = 0; number * CONTEXTS_EACH < contexts; number += 1)
    attached.push(await serving.attach(`desk-${number}`));
  await delay(2_000);
  const before = await Promise.all(attached.map(({ pid }) => figuresOf(pid)));
  const crowds = attached.map(({ socket }) => new Waiters(socket, READER, CONTEXTS_EACH));
  for (const crowd of crowds) await crowd.establish();
  const waiting: Awaited<ReturnType<Waiters["wait"]>>[] = [];
  for (const crowd of crowds) waiting.push(await crowd.wait());
  await delay(5_000);
  const after = await Promise.all(attached.map(({ pid }) => figuresOf(pid)));
  const served = await figuresOf(serving.pid);
  const servedAtRest = await atRest(serving.pid, restSeconds);
  const attachedAtRest = await atRest(attached[0]?.pid ?? 0, restSeconds);
  const daemon = await figuresOf(pcscd.pid);
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  const [contextRound] = await rounds(pcscd, 1, async () => async () => {
    const woken = await Promise.all(waiting.map((one) => one.woken));
    return woken.flat().map(({ at }) => at + offset);
  });
  for (const crowd of crowds) await crowd[Symbol.asyncDispose]();
  for (const one of processes) await one[Symbol.asyncDispose]();

  const grown = (of: "memory") =>
    median(after.map((one, at) => one[of] - (before[at]?.[of] ?? Number.NaN)));
  const row = (what: string, now: Figures, rest: number) => [
    what,
    figure(now.memory),
    figure(now.descriptors),
    figure(rest, 2),
  ];
  const rest = table(
    ["`serve` with", "memory, MB", "descriptors", "of a processor, at rest, %"],
    [
      row("nobody", alone, aloneAtRest),
      row(`${links} links`, linked, linkedAtRest),
      row(`the same, and ${contexts} contexts at ${attached.length} more`, served, servedAtRest),
    ],
  );
  const events = table(
    ["told of a card", "the median after, ms", "the last after, ms"],
    [
      [`${links} links`, ...spread(linkRounds)],
      [`${contexts} contexts`, ...spread(contextRound ? [contextRound] : [])],
    ],
  );
  return `### serve: many links

${rest}

A link takes ${figure(((linked.memory - alone.memory) * 1_024) / links)} KB of \`serve\`; a context that waits (real libpcsclites, each with a thread and a
connection) ${figure((grown("memory") * 1_024) / CONTEXTS_EACH)} KB of its \`attach\`, which takes ${figure(attachedAtRest, 2)} % of a processor at rest with ${CONTEXTS_EACH} of them. pcscd had ${daemon.sockets} sockets, those of its
readers included.

${events}

After a program that waits at pcscd itself heard of it.`;
}

/** The card goes and comes, so often altogether. @returns how late each heard of it, ms, one list a time. */
async function rounds(
  pcscd: Stage["pcscd"],
  times: number,
  begin: () => Promise<() => Promise<readonly number[]>>,
): Promise<readonly (readonly number[])[]> {
  const [card] = pcscd.cards;
  const all: number[][] = [];
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  await using direct = new Waiters(pcscd.socketPath, READER, 1);
  await direct.establish();
  let isPresent = true;
  for (let round = 0; round < times; round += 1) {
    const first = await direct.wait();
    const heard = await begin();
    await (isPresent ? card.pull() : card.insert());
    isPresent = !isPresent;
    const [one] = await first.woken;
    const at = (one?.at ?? Number.NaN) + offset;
    all.push((await heard()).map((time) => time - at));
    await delay(1_000);
  }
  return all;
}

const spread = (all: readonly (readonly number[])[]): [string, string] => [
  figure(median(all.map((round) => median(round)))),
  figure(median(all.map((round) => Math.max(...round)))),
];

/** What a process takes of a processor while nothing happens, per cent. */
async function atRest(pid: number, seconds: number): Promise<number> {
  const before = await figuresOf(pid);
  await delay(seconds * 1_000);
  const after = await figuresOf(pid);
  return (after.cpu - before.cpu) / (10 * seconds);
}

/** Links in a process of their own. */
class Links implements AsyncDisposable {
  readonly #program: Program;
  readonly #count: number;
  /** Lines that were taken. */
  #taken = 0;

  constructor(where: string, count: number, env: Readonly<Record<string, string>>) {
    const script = fileURLToPath(new URL("links-process.ts", import.meta.url));
    this.#program = start(
      "node",
      ["--import", import.meta.resolve("tsx"), script, where, `${count}`],
      {
        user: "alice",
        env,
      },
    );
    this.#count = count;
  }

  async open(): Promise<void> {
    await this.#program.waitForLine(/^ready$/, { timeoutMs: 120_000 });
    this.#taken = this.#times().length;
  }

  /** When each of them heard of the next change, ms of CLOCK_MONOTONIC. */
  async next(): Promise<readonly number[]> {
    const from = this.#taken;
    this.#taken += this.#count;
    await until(
      "each link to hear of a card",
      async () => this.#times().length >= from + this.#count,
      60_000,
    );
    return this.#times().slice(from, from + this.#count);
  }

  #times(): readonly number[] {
    return this.#program.output
      .split("\n")
      .filter((line) => /^\d+\.?\d*$/.test(line))
      .map(Number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}
