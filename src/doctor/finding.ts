import type { Level } from "./check.ts";
import type { CheckName, LevelOf } from "./checks.ts";

/** One thing that doctor found out. */
export interface Finding {
  /** Stable: scripts may rely on it. docs/doctor.md lists them. */
  readonly check: CheckName;
  readonly level: Level;
  /** One line for people. */
  readonly what: string;
  /** The exact commands or configuration lines that mend it, a line each. */
  readonly remedy?: string;
}

/** A finding; only the levels that the table of checks allows. */
export const finding = <C extends CheckName>(
  check: C,
  level: LevelOf<C>,
  what: string,
  remedy?: string | readonly string[],
): Finding => ({
  check,
  level,
  what,
  ...(remedy !== undefined && { remedy: typeof remedy === "string" ? remedy : remedy.join("\n") }),
});

/** Where something was found, in words: `cardhost`, `this computer`. */
export interface Place {
  readonly name: string;
  /** Whether it is another computer, so that what is to be done is to be done there. */
  readonly remote: boolean;
}

/** A line for a person who has to go to that computer first. */
export const on = ({ name, remote }: Place, ...lines: readonly string[]): readonly string[] =>
  remote ? [`# on ${name}:`, ...lines] : lines;
