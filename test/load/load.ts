import { expect } from "vitest";
import { fileURLToPath } from "node:url";
import type { Attached } from "../faults/attached.ts";
import { type Pcscd, readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { run } from "../lab/programs.ts";
import { PcscClient, SUCCESS } from "../pcsc/client.ts";
import { type Figures, figuresOf, median } from "./process-figures.ts";
import { Waiters } from "./waiters.ts";

/** The reader that they all use. */
const [READER] = readerNames;
const CANCELLED = "0x80100002";
/** SCARD_STATE_PRESENT. */
const PRESENT = 0x20;

/** How a card woke those that waited for it. */
export interface WakeUp {
  /** Sockets of the daemon while they waited, those of its cards and its own included. */
  readonly daemonSockets: number;
  /** From when one that waits at pcscd itself heard of it to when the median and the last of them did, ms. */
  readonly medianMs: number;
  readonly lastMs: number;
  /** Processor time that cardwire took from the insertion until all had heard and waited again, ms. */
  readonly cpuMs: number;
  readonly memory: number;
}

/** So many wait for a card at one attachment; it is inserted, pulled again, and their waiting is cancelled. */
export async function wakeUp(
  { pcscd, attached }: { pcscd: Pcscd; attached: Attached },
  count: number,
): Promise<WakeUp> {
  const [card] = pcscd.cards;
  await card.pull();
  await using direct = new Waiters(pcscd.socketPath, READER, 1);
  await using waiters = new Waiters(attached.socket, READER, count);
  await direct.establish();
  expect(new Set(await waiters.establish())).toEqual(new Set([SUCCESS]));
  const first = await direct.wait();
  const waiting = await waiters.wait();
  const before = await figuresOf(attached.program.pid);
  const { sockets: daemonSockets } = await figuresOf(pcscd.pid);
  await card.insert();
  const [heard] = await first.woken;
  const woken = await waiting.woken;
  for (const { rv, event } of woken)
    expect({ rv, event: event & PRESENT }).toEqual({ rv: SUCCESS, event: PRESENT });
  // Each is woken once: what they know is true now, and nothing more ends their waiting but a cancellation.
  const again = await waiters.wait();
  const after = await figuresOf(attached.program.pid);
  expect(again.soFar).toEqual([]);
  await waiters.cancel();
  expect(new Set((await again.woken).map(({ rv }) => rv))).toEqual(new Set([CANCELLED]));
  const late = woken.map(({ at }) => at - (heard?.at ?? 0));
  return {
    daemonSockets,
    medianMs: median(late),
    lastMs: Math.max(...late),
    cpuMs: after.cpu - before.cpu,
    memory: after.memory,
  };
}

/** What programs that worked at once did, and what was there before, meanwhile and after. */
export interface Work {
  readonly deaths: number;
  /** How often each call ended how: "transmit 0x00000000". */
  readonly calls: Readonly<Record<string, number>>;
  readonly before: Sample;
  readonly during: readonly Sample[];
  readonly after: Sample;
}

export interface Sample {
  readonly cardwire: Figures;
  readonly pcscd: Figures;
}

interface WorkOptions {
  readonly count: number;
  readonly seconds: number;
  readonly seed: string;
  /** Between two samples, ms. */
  readonly everyMs: number;
}

/** So many programs work with one card, and die, for so long. Resolves when all that they had is gone. */
export async function work(
  { pcscd, attached }: { pcscd: Pcscd; attached: Attached },
  { count, seconds, seed, everyMs }: WorkOptions,
): Promise<Work> {
  const sample = async (): Promise<Sample> => ({
    cardwire: await figuresOf(attached.program.pid),
    pcscd: await figuresOf(pcscd.pid),
  });
  await rested(attached.socket);
  const before = await sample();
  const during: Sample[] = [];
  const timer = setInterval(() => {
    void sample().then(
      (one) => during.push(one),
      () => {},
    ); // the test itself sees what became of either
  }, everyMs);
  const script = fileURLToPath(new URL("workers.py", import.meta.url));
  try {
    const args = ["-B", script, `${count}`, `${seconds}`, seed, READER];
    const ended = await run("/usr/bin/python3", args, {
      user: "alice",
      env: attached.env,
      timeoutMs: seconds * 1_000 + 120_000,
    });
    if (ended.status !== 0) throw new Error(`${ended.stdout}${ended.stderr}`);
    const told = JSON.parse(ended.stdout) as Pick<Work, "deaths" | "calls">;
    clearInterval(timer);
    await until(
      "all that the programs had to be gone",
      async () => {
        const { cardwire, pcscd: daemon } = await sample();
        return (
          cardwire.sockets <= before.cardwire.sockets + SPARE &&
          daemon.sockets <= before.pcscd.sockets + SPARE
        );
      },
      30_000,
    );
    return { ...told, before, during, after: await sample() };
  } finally {
    clearInterval(timer);
  }
}

/** Contexts that cardwire keeps in reserve, which it may not have had at the beginning. */
const SPARE = 4;

/** One program that came and went: what is made at the first use is there then. */
async function rested(socket: string): Promise<void> {
  await using client = new PcscClient(socket);
  await client.must("establish", { context: "a" });
  await client.must("connect", { context: "a", card: "c", reader: READER });
  await client.must("disconnect", { card: "c" });
}
