import type { readerJson } from "./reader-json.ts";

/** One place that is attached, as `status --json` has it. The meaning of a field never changes. */
export interface SourceStatus {
  readonly where: string;
  /** - `up`. - `broken`: programs wait for the line. - `down`: there are no readers until it is back. */
  readonly state: "up" | "broken" | "down";
  readonly via?: string | undefined;
  /** Where there is a cardwire over there, beyond ssh: whether it is this attachment's own, or a `cardwire serve`. */
  readonly keeper?: "agent" | "serve" | undefined;
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
