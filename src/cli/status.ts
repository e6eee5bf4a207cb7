import type { OpenSource } from "./open-source.ts";
import { type OpenReaders, readersOf } from "./open.ts";
import { readerJson } from "./report.ts";

/** How long a round trip may take to be measured, ms. */
const ROUND_TRIP_MS = 2_000;

/** One place that is attached, as `status --json` has it. The meaning of a field never changes. */
export interface SourceStatus {
  readonly where: string;
  /** - `up`. - `broken`: programs wait for the line. - `down`: there are no readers until it is back. */
  readonly state: "up" | "broken" | "down";
  readonly via?: string | undefined;
  /** Who serves the readers there, for people. */
  readonly server: string;
  readonly roundTripMs?: number | undefined;
  /** How often the line came back and programs noticed nothing; where there is an agent, as the next two. */
  readonly resumptions?: number | undefined;
  /** Calls of programs without an answer so far. */
  readonly waiting?: number | undefined;
  /** Messages that the other end may not have yet. */
  readonly unacknowledged?: number | undefined;
  readonly remark?: string | undefined;
  readonly error?: { readonly message: string; readonly hint?: string | undefined } | undefined;
  readonly readers: readonly ReturnType<typeof readerJson>[];
}

/** What an attachment tells of itself. */
export interface AttachmentStatus {
  /** Programs that are connected to its socket. */
  readonly programs: number;
  readonly sources: readonly SourceStatus[];
}

/** How an attachment is now. Never rejects. */
export async function attachmentStatus(
  readers: OpenReaders,
  programs: number,
): Promise<AttachmentStatus> {
  const sources = await Promise.all(readers.sources.map((one) => sourceStatus(readers, one)));
  return { programs, sources };
}

async function sourceStatus(opened: OpenReaders, source: OpenSource): Promise<SourceStatus> {
  const { absence, via, server, remark, figures } = source;
  const roundTripMs = absence ? undefined : await roundTripOf(source);
  const isDown = absence !== undefined || figures?.state === "gone";
  return {
    where: source.source.text,
    state: isDown ? "down" : figures?.state === "broken" ? "broken" : "up",
    via,
    server,
    roundTripMs,
    resumptions: figures?.resumptions,
    waiting: figures?.waiting,
    unacknowledged: figures?.unacknowledged,
    remark,
    ...(absence && { error: { message: absence.message, hint: absence.hint } }),
    readers: readersOf(opened, source).map(readerJson),
  };
}

/** Of a link, the latest; of a forward, one that is made now. */
async function roundTripOf(source: OpenSource): Promise<number | undefined> {
  if (source.figures) return source.figures.roundTripMs;
  return await source
    .roundTrip({ signal: AbortSignal.timeout(ROUND_TRIP_MS) })
    .catch(() => undefined);
}
