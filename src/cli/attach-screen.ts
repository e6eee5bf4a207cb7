import { readerJson } from "../domain/reader-json.ts";
import type { Reader } from "../domain/card-service.ts";
import type { CardwireError } from "../domain/errors.ts";
import { SYSTEM_SOCKET } from "../host/system-socket.ts";
import { closedDoor } from "../host/reach.ts";
import type { Io } from "./io.ts";
import { type OpenReaders, readersOf } from "./open.ts";
import type { OpenSource } from "./open-source.ts";
import { absenceLines, exportLine, printable, readersTable } from "./report.ts";
import type { Source } from "./sources.ts";

/** What `attach` found at one place. */
export interface FoundSource {
  readonly source: Source;
  /** Who serves the readers, for people. */
  readonly server: string;
  /** pcscd's, such as `4:4`. Absent until it was reached. */
  readonly protocol: string | undefined;
  /** Absent while it cannot be reached. */
  readonly roundTripMs: number | undefined;
  /** As programs see them. */
  readonly readers: readonly Reader[];
  /** See OpenSource. */
  readonly via: string | undefined;
  readonly keeper?: OpenSource["keeper"];
  readonly remark: string | undefined;
  /** Why it cannot be reached now. */
  readonly absence: CardwireError | undefined;
}

/** What `attach` found and made. */
export interface Found {
  readonly name: string;
  readonly socket: string;
  readonly sources: readonly FoundSource[];
  readonly readers: readonly Reader[];
}

/** Looks at what was opened; measures the round trip to each host. */
export async function findings(
  opened: OpenReaders,
  { name, socket, signal }: { name: string; socket: string; signal: AbortSignal },
): Promise<Found> {
  const { service, sources } = opened;
  const trips = await Promise.all(sources.map((one) => one.roundTrip({ signal })));
  const found = sources.map((one, index) => ({
    source: one.source,
    server: one.server,
    protocol: one.protocol,
    roundTripMs: trips[index],
    readers: readersOf(opened, one),
    via: one.via,
    keeper: one.keeper,
    remark: one.remark,
    absence: one.absence,
  }));
  return { name, socket, sources: found, readers: service.readers };
}

/** One screen: what is there, and what to do next. */
export function tellFound(
  io: Io,
  found: Found,
  {
    json,
    use = variableText(found.socket),
  }: {
    readonly json?: true | undefined;
    /** How programs find the socket, where they need no variable for it. */
    readonly use?: string | undefined;
  },
): void {
  if (json) {
    io.out(JSON.stringify(foundJson(found)));
    return;
  }
  io.out(foundText(found, use));
  for (const { remark } of found.sources) if (remark !== undefined) io.err(printable(remark));
  if (found.socket !== SYSTEM_SOCKET)
    io.err(`In other terminals: eval "$(cardwire env ${found.name})"`);
  if (found.sources.some(({ source, keeper }) => source.where.kind === "ssh" && keeper !== "serve"))
    io.err("Programs that compete for a card get it by chance, as pcscd gives it.");
  io.err("Ctrl-C ends the attachment and removes the socket.");
}

/** Says so if those whom the socket's rights admit cannot get to it. */
export async function tellDoor(io: Io, socket: string): Promise<void> {
  const door = await closedDoor(socket).catch(() => undefined); // removed by somebody meanwhile
  if (door === undefined) return;
  io.err(
    `Those whom --mode and --group admit cannot reach the socket: ${door} does not let them in. Choose another place with --socket.`,
  );
}

/** In `--json`. What belongs to one place stands at the top, too, where there is only one. */
function foundJson({ name, socket, sources, readers }: Found): object {
  const [only, ...others] = sources;
  const single = others.length === 0 ? only : undefined;
  return {
    name,
    where: single?.source.text,
    socket,
    protocol: single?.protocol,
    roundTripMs: single?.roundTripMs,
    readers: readers.map(readerJson),
    sources: sources.map((one) => ({
      where: one.source.text,
      state: one.absence ? "down" : "up",
      protocol: one.protocol,
      roundTripMs: one.roundTripMs,
      via: one.via,
      keeper: one.keeper,
      remark: one.remark,
      readers: one.readers.map((reader) => reader.name),
      ...(one.absence && {
        error: {
          code: one.absence.code,
          message: one.absence.message,
          hint: one.absence.hint,
        },
      }),
    })),
  };
}

const foundText = ({ sources }: Found, use: string): string =>
  [...sources.flatMap(sourceLines), "", use, ""].join("\n");

const variableText = (socket: string): string =>
  `Programs find them here once this is set in their environment:\n  ${exportLine(socket)}`;

function sourceLines({
  source: { text },
  server,
  roundTripMs,
  readers,
  absence,
}: FoundSource): readonly string[] {
  if (absence) return absenceLines(text, absence, { isTried: true });
  const count = readers.length === 1 ? "1 reader" : `${readers.length} readers`;
  const trip = roundTripMs === undefined ? [] : [`${roundTripMs.toFixed(1)} ms round trip`];
  return [
    `${printable(text).replace(/:$/, "")}: ${[count, server, ...trip].join(", ")}`,
    ...(readers.length > 0 ? [readersTable(readers).replaceAll(/^/gm, "  ")] : []),
  ];
}
