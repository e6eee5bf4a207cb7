import { type Group, groups, type Level } from "../doctor/check.ts";
import { checks } from "../doctor/checks.ts";
import type { Finding } from "../doctor/finding.ts";
import { printable } from "./report.ts";
import type { Style } from "./style.ts";

const marks: Readonly<Record<Level, string>> = {
  good: "ok",
  note: "note",
  warning: "warning",
  fault: "FAULT",
};

const dress = { good: "green", note: "dim", warning: "yellow", fault: "red" } as const;

/** Wide enough for every mark. */
const MARK_WIDTH = 9;

export interface ReportOptions {
  /** Also the names of the checks, and what each means. */
  readonly verbose: boolean;
  readonly style: Style;
}

/** What doctor found, for a person: a line each, by groups; what mends it below, further in. */
export function findingsText(findings: readonly Finding[], options: ReportOptions): string {
  return Object.entries(groups)
    .flatMap(([group, title]) => {
      const own = findings.filter(({ check }) => checks[check].group === (group as Group));
      if (own.length === 0) return [];
      return [
        [options.style.bold(title), ...own.map((one) => findingText(one, options))].join("\n"),
      ];
    })
    .join("\n\n");
}

function findingText(
  { check, level, what, remedy }: Finding,
  { verbose, style }: ReportOptions,
): string {
  const mark = marks[level].padEnd(MARK_WIDTH);
  const indented = (text: string): string => " ".repeat(MARK_WIDTH + 4) + text;
  // Remedies have lines of their own; whatever else came from elsewhere stays one line of text.
  const lines = (remedy ?? "").split("\n").filter(Boolean).map(printable);
  const name = level === "good" ? "" : ` [${check}]`;
  return [
    `  ${style[dress[level]](mark)}${printable(what)}${verbose ? ` [${check}]` : name}`,
    ...(verbose ? [indented(checks[check].means)] : []),
    ...lines.map(indented),
  ].join("\n");
}

/** The last line: how it stands. */
export function summary(findings: readonly Finding[]): string {
  const count = (level: Level, word: string): string[] => {
    const number = findings.filter((one) => one.level === level).length;
    return number === 0 ? [] : [`${number} ${word}${number === 1 ? "" : "s"}`];
  };
  const parts = [...count("fault", "fault"), ...count("warning", "warning")];
  return parts.length === 0 ? "No faults." : `${parts.join(", ")}.`;
}
