import { expect } from "vitest";
import { campaign, type Report, replayAll, tell } from "./campaign.ts";
import type { Step } from "./step.ts";
import type { Way } from "./world.ts";

// The two tests, which differ in how much they do. What somebody wants to see again is told by environment variables:
// DIFFERENTIAL_SEED, the first sequence's seed; DIFFERENTIAL_SEQUENCES, how many; DIFFERENTIAL_STEPS, one sequence as a
// failed test printed it.

/** A pair of worlds keeps about a quarter of a core busy. */
const LANES = 8;

/** Differences that nobody saw a second time, among so many sequences: pcscd itself is not the same twice, and a computer that has too much to do is slow. */
const ONE_MAY_PASS_IN = 100;

export interface Judged {
  readonly ways: readonly Way[];
  readonly sequences: number;
  readonly seed: number;
}

const numberFrom = (variable: string): number | undefined => {
  const text = process.env[variable];
  return text === undefined ? undefined : Number(text);
};

/** Runs sequences in pairs of worlds, and fails with the shortest that show a difference. */
export async function judge({ ways, ...defaults }: Judged): Promise<void> {
  const steps = process.env["DIFFERENTIAL_STEPS"];
  if (steps !== undefined) return await judgeOne(ways, JSON.parse(steps) as readonly Step[]);
  const seed = numberFrom("DIFFERENTIAL_SEED") ?? defaults.seed;
  const sequences = numberFrom("DIFFERENTIAL_SEQUENCES") ?? defaults.sequences;
  const started = performance.now();
  const report = await campaign({ ways, sequences, seed, lanes: LANES });
  const seconds = Math.round((performance.now() - started) / 1_000);
  print(`differential: seeds from ${seed}, ${summary(report)}, ${seconds} s`);
  for (const finding of report.passing) print(`seen once, and not again:\n${tell(finding)}`);
  for (const why of report.rebuilds) print(`worlds were made anew: ${why}`);
  expect(report.findings.map(tell).join("\n\n")).toBe("");
  expect(report.passing.length).toBeLessThanOrEqual(Math.ceil(sequences / ONE_MAY_PASS_IN));
  expect(report.restless).toBeLessThanOrEqual(Math.ceil(sequences / ONE_MAY_PASS_IN));
  expect(report.sequences).toBe(sequences);
  // Sequences that meet nothing prove nothing.
  for (const outcome of worthMeeting) expect([...report.outcomes.keys()]).toContain(outcome);
  expect(report.released).toBeGreaterThan(sequences / 10);
  expect(wrongHandles(report)).toBeLessThanOrEqual(report.calls / 100);
}

async function judgeOne(ways: readonly Way[], steps: readonly Step[]): Promise<void> {
  for (const way of ways) await judgeAll(way, [steps]);
}

/** Runs these sequences one way, and fails with those that show a difference. */
export async function judgeAll(way: Way, sequences: readonly (readonly Step[])[]): Promise<void> {
  const findings = await replayAll(way, sequences);
  expect(findings.map(tell).join("\n\n")).toBe("");
}

/** Success, a lock elsewhere, a reset and a removal, a card that is not there, a protocol that it has not, a wait. */
const worthMeeting = [
  "begin 0x00000000",
  "begin 0x80100068",
  "begin 0x80100069",
  "begin blocked",
  "change 0x8010000a",
  "change blocked",
  "connect 0x8010000b",
  "connect 0x8010000c",
  "connect 0x8010000f",
  "connect blocked",
  "end 0x00000000",
  "end 0x80100016",
  "reconnect 0x00000000",
  "reconnect blocked",
  "status 0x80100068",
  "status 0x80100069",
  "transmit 0x00000000",
  "transmit 0x80100008",
];

const wrongHandles = ({ outcomes }: Report): number =>
  [...outcomes].reduce((sum, [what, count]) => sum + (what.endsWith("80100003") ? count : 0), 0);

const summary = ({ sequences, calls, blocked, released, findings, passing }: Report): string =>
  [
    `${sequences} sequences`,
    `${calls} calls`,
    `${blocked} blocked`,
    `${released} released`,
    `${findings.length} differences`,
    `${passing.length} seen once`,
  ].join(", ");

const print = (text: string): void => void process.stdout.write(`${text}\n`);
