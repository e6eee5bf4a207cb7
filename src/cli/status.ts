import { readerJson } from "../domain/reader-json.ts";
import type { AttachmentStatus, SourceStatus } from "../domain/attachment-status.ts";
import type { OpenSource } from "./open-source.ts";
import { type OpenReaders, readersOf } from "./open.ts";

/** How long a round trip may take to be measured, ms. */
const ROUND_TRIP_MS = 2_000;

/** How an attachment is now. Never rejects. */
export async function attachmentStatus(
  readers: OpenReaders,
  programs: number,
): Promise<AttachmentStatus> {
  const sources = await Promise.all(readers.sources.map((one) => sourceStatus(readers, one)));
  return { programs, sources };
}

async function sourceStatus(opened: OpenReaders, source: OpenSource): Promise<SourceStatus> {
  const { absence, via, keeper, server, remark, figures } = source;
  const roundTripMs = absence ? undefined : await roundTripOf(source);
  const isDown = absence !== undefined || figures?.state === "gone";
  return {
    where: source.source.text,
    state: isDown ? "down" : figures?.state === "broken" ? "broken" : "up",
    via,
    keeper,
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
