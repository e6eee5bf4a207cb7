import { Generator } from "./generator.ts";
import { type Difference, makePair, type Pair, Restless } from "./pair.ts";
import { type Ran, replay, run, type Source } from "./run.ts";
import { shrink } from "./shrink.ts";
import { describe, type Step } from "./step.ts";
import type { Way } from "./world.ts";

// Many sequences in many pairs of worlds at once, and what came of them.

/** How often a sequence that failed is run again to see whether it fails always. */
const CONFIRMATIONS = 3;
/** Most runs that shrinking one sequence may take. */
const SHRINKING_RUNS = 60;
/** After so many differences no more sequences are begun: something is broken, and the first few tell what. */
const MOST_FINDINGS = 3;
/** So many worlds that do not come to rest, which take their time, are enough as well. */
const MOST_RESTLESS = 60;
/** How often in a row a lane's worlds may be made anew before the lane gives up. */
const MOST_REBUILDS = 5;

export interface CampaignOptions {
  readonly ways: readonly Way[];
  /** How many sequences are run, over all ways. */
  readonly sequences: number;
  /** The first sequence's; the next have the numbers that follow. */
  readonly seed: number;
  /** Pairs of worlds at once; each has one of the ways, in turns. */
  readonly lanes: number;
}

/** A sequence after which the worlds differed. */
export interface Finding {
  readonly way: Way;
  readonly seed: number;
  /** Of {@link CONFIRMATIONS} more runs, how many differed. */
  readonly again: number;
  /** Shrunk, if it differed each time. */
  readonly ran: Ran;
}

export interface Report {
  sequences: number;
  calls: number;
  blocked: number;
  released: number;
  /** How often each outcome was had, by call and return code. */
  readonly outcomes: Map<string, number>;
  /** What differed more than once. */
  readonly findings: Finding[];
  /** What differed once and never again. */
  readonly passing: Finding[];
  /** Worlds that had to be made anew, and why. */
  readonly rebuilds: string[];
  /** Of these, the ones where only the world behind cardwire did not come to rest after a sequence. */
  restless: number;
}

const nothing = (): Report => ({
  sequences: 0,
  calls: 0,
  blocked: 0,
  released: 0,
  outcomes: new Map(),
  findings: [],
  passing: [],
  rebuilds: [],
  restless: 0,
});

/**
 * Runs sequences until there are enough, or too much is wrong.
 *
 * @param report is added to as they come.
 * @throws {Error} when worlds cannot be made.
 */
export async function campaign(options: CampaignOptions, report = nothing()): Promise<Report> {
  let next = options.seed;
  const take = (): number | undefined => {
    if (next >= options.seed + options.sequences) return undefined;
    if (report.findings.length >= MOST_FINDINGS || report.restless >= MOST_RESTLESS)
      return undefined;
    next += 1;
    return next - 1;
  };
  await Promise.all(
    Array.from({ length: options.lanes }, async (_none, lane) => {
      const way = options.ways[lane % options.ways.length];
      if (way) await new Lane(way, `lane${lane}`, report).work(take);
    }),
  );
  return report;
}

/** Runs sequences one after the other. @returns those that differ, shrunk. */
export async function replayAll(
  way: Way,
  sequences: readonly (readonly Step[])[],
): Promise<readonly Finding[]> {
  const report = nothing();
  const lane = new Lane(way, "replayed", report);
  for (const steps of sequences) await lane.try(0, replay(steps));
  await lane.end();
  return [...report.findings, ...report.passing];
}

/** One pair of worlds after the other, made anew when something is wrong with it. */
class Lane {
  readonly #way: Way;
  readonly #name: string;
  readonly #report: Report;
  #pair: Pair | undefined;

  constructor(way: Way, name: string, report: Report) {
    this.#way = way;
    this.#name = name;
    this.#report = report;
  }

  async work(take: () => number | undefined): Promise<void> {
    try {
      for (let seed = take(); seed !== undefined; seed = take()) {
        const generator = new Generator(seed, this.#way.clients);
        const length = generator.length();
        await this.try(seed, (book, at) => (at < length ? generator.next(book) : undefined));
      }
    } finally {
      await this.end();
    }
  }

  async try(seed: number, source: Source): Promise<void> {
    const ran = await this.#run(source);
    this.#count(ran);
    if (!ran.difference) return;
    await this.end(); // whatever it is in may be the reason
    let again = 0;
    for (let attempt = 0; attempt < CONFIRMATIONS; attempt += 1)
      if ((await this.#run(replay(ran.steps))).difference) again += 1;
    const finding = { way: this.#way, seed, again, ran };
    if (again === 0) this.#report.passing.push(finding);
    else if (again < CONFIRMATIONS) this.#report.findings.push(finding);
    else this.#report.findings.push({ ...finding, ran: await this.#least(ran) });
  }

  async end(): Promise<void> {
    const pair = this.#pair;
    this.#pair = undefined;
    await pair?.[Symbol.asyncDispose]();
  }

  async #run(source: Source): Promise<Ran> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#pair ??= await makePair(this.#way, this.#name);
        await this.#pair.rest();
        break;
      } catch (error) {
        this.#report.rebuilds.push(String(error));
        if (error instanceof Restless) this.#report.restless += 1;
        await this.end();
        if (attempt > MOST_REBUILDS) throw error;
      }
    }
    const ran = await run(this.#pair, source);
    return ran;
  }

  async #least(ran: Ran): Promise<Ran> {
    let least = ran;
    await shrink(
      ran.steps,
      async (steps) => {
        const shorter = await this.#run(replay(steps));
        if (shorter.difference) least = shorter;
        return shorter.difference !== undefined;
      },
      SHRINKING_RUNS,
    );
    return least;
  }

  #count({ done }: Ran): void {
    const report = this.#report;
    report.sequences += 1;
    for (const { step, outcome, released } of done) {
      if (step.do !== "call") continue;
      report.calls += 1;
      report.released += released.length;
      if (!outcome) report.blocked += 1;
      const what = `${step.call} ${outcome?.rv ?? "blocked"}`;
      report.outcomes.set(what, (report.outcomes.get(what) ?? 0) + 1);
    }
  }
}

/** A finding for people: how to see it again, each step with what came of it, and where the worlds parted. */
export function tell({ way, seed, again, ran }: Finding): string {
  const { done, steps, difference } = ran;
  const lines = steps.map((step, at) => {
    const { outcome, released = [] } = done[at] ?? {};
    const answered = outcome ? `: ${clipped(JSON.stringify({ ...outcome, ms: undefined }))}` : "";
    const isBlocked = done[at] && step.do === "call" && !outcome ? ": blocked" : "";
    const freed = released.map((one) => `; released ${one.at}: ${one.outcome.rv}`).join("");
    return `  ${at} ${clipped(describe(step))}${answered}${isBlocked}${freed}`;
  });
  return [
    `seed ${seed}, ${[way.carrier, ...way.options].join(" ")}: differed again in ${again} of ${CONFIRMATIONS} runs`,
    ...lines,
    ...told(difference),
    `DIFFERENTIAL_STEPS='${JSON.stringify(steps)}'`,
  ].join("\n");
}

const told = (difference: Difference | undefined): readonly string[] =>
  difference
    ? [
        `  where they part: ${difference.what}`,
        `    pcscd itself:     ${clipped(difference.direct)}`,
        `    through cardwire: ${clipped(difference.through)}`,
      ]
    : [];

const clipped = (text: string): string => (text.length > 300 ? `${text.slice(0, 300)}…` : text);
