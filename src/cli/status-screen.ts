import type { AttachmentRecord } from "../host/attachments.ts";
import { printable } from "./report.ts";
import type { AttachmentStatus, SourceStatus } from "../domain/attachment-status.ts";

/** An attachment, and what it tells; undefined where it does not answer. */
export interface Told {
  readonly record: AttachmentRecord;
  readonly status: AttachmentStatus | undefined;
}

/** In `--json`. The meaning of a field never changes. */
export const statusJson = ({ record, status }: Told): object => {
  const { name, pid, socket, startedAt, where } = record;
  return { name, pid, socket, startedAt, where, answers: status !== undefined, ...status };
};

/** What a person is shown of an attachment. */
export function statusText({ record, status }: Told): string {
  const head = `${printable(record.name)} (process ${record.pid}) at ${printable(record.socket)}`;
  if (!status) return `${head}\n  does not answer`;
  const programs = `${counted(status.programs, "program")} connected`;
  return [`${head}: ${programs}`, ...status.sources.flatMap(sourceLines)].join("\n");
}

function sourceLines(source: SourceStatus): readonly string[] {
  const { where, error, remark, readers } = source;
  const facts = [stateOf(source), viaOf(source), tripOf(source), ...linkFacts(source)];
  const present = readers.filter(({ state }) => state === "card").length;
  const counts = `${counted(readers.length, "reader")}, ${counted(present, "card")}`;
  return [
    `  ${printable(where)}: ${[...facts, counts].filter(Boolean).join(", ")}`,
    ...(error ? [`    ${printable(error.message)}`] : []),
    ...(error?.hint === undefined ? [] : [`    hint: ${printable(error.hint)}`]),
    ...(remark === undefined ? [] : [`    ${printable(remark)}`]),
  ];
}

const STATES: Readonly<Record<string, string>> = {
  up: "up",
  broken: "broken, programs wait while it is made anew",
  down: "down, trying again",
};

const stateOf = ({ state }: SourceStatus): string => STATES[state] ?? "";

const viaOf = ({ via, keeper, server }: SourceStatus): string => {
  const who = printable(server);
  if (via === undefined) return who;
  const agent = keeper === "serve" ? "its 'cardwire serve'" : "an agent";
  return `through ${via === "agent" ? agent : "a forward"}${who && ` (${who})`}`;
};

const tripOf = ({ roundTripMs }: SourceStatus): string =>
  roundTripMs === undefined ? "" : `${roundTripMs.toFixed(1)} ms round trip`;

const linkFacts = ({
  state,
  resumptions,
  waiting = 0,
  unacknowledged = 0,
}: SourceStatus): readonly string[] => [
  resumptions === undefined ? "" : `resumed ${counted(resumptions, "time")}`,
  waiting > 0 ? `${counted(waiting, "call")} waiting` : "",
  // What arrives is acknowledged a second later: while the line is up, that is no news.
  state !== "up" && unacknowledged > 0 ? `${counted(unacknowledged, "message")} to be sent` : "",
];

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;
