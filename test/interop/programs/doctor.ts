import { expect } from "vitest";
import type { RunOptions } from "../../lab/programs.ts";
import { cardwire } from "./cardwire.ts";

/** A line of `cardwire doctor --json`. */
export interface Found {
  readonly check: string;
  readonly level: "good" | "note" | "warning" | "fault";
  readonly what: string;
  readonly remedy?: string;
}

export interface Diagnosis {
  readonly status: number | undefined;
  readonly findings: readonly Found[];
  /** The one finding of that name; fails the test with all of them when there is none. */
  readonly find: (check: string) => Found;
}

/** Runs `cardwire doctor ARGS --json`, as alice unless told. */
export async function doctor(
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Diagnosis> {
  const done = await cardwire(["doctor", ...args, "--json"], options);
  if (done.timedOut || done.stderr !== "") throw new Error(`doctor said:\n${done.stderr}`);
  const findings = done.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Found);
  const find = (check: string): Found => {
    const found = findings.find((one) => one.check === check);
    if (found === undefined) throw new Error(`no ${check} among:\n${done.stdout}`);
    return found;
  };
  return { status: done.status, findings, find };
}

/** The findings that say that something is wrong, by name. */
export const troubles = ({ findings }: Diagnosis): readonly string[] =>
  findings
    .filter(({ level }) => level === "fault" || level === "warning")
    .map(({ check }) => check);

/**
 * That a fault is found, with what mends it, and that nothing else is blamed.
 *
 * @param seeded.also what follows from the fault of necessity.
 */
export function expectTrouble(
  diagnosis: Diagnosis,
  check: string,
  seeded: {
    readonly level?: "warning" | "fault";
    readonly what?: RegExp;
    readonly remedy: RegExp;
    readonly also?: readonly string[];
  },
): void {
  const { level = "fault", what = /./, remedy, also = [] } = seeded;
  const found = diagnosis.find(check);
  expect(found.level).toBe(level);
  expect(found.what).toMatch(what);
  expect(found.remedy).toMatch(remedy);
  expect(troubles(diagnosis)).toEqual(expect.arrayContaining([check]));
  expect(troubles(diagnosis).filter((name) => name !== check && !also.includes(name))).toEqual([]);
  const isFaulty = diagnosis.findings.some((one) => one.level === "fault");
  expect(diagnosis.status).toBe(isFaulty ? 1 : 0);
}
