import type { Reader } from "../domain/card-service.ts";
import { exportLine, readerJson, readersTable } from "./report.ts";

/** What `attach` found and made. */
export interface Found {
  readonly name: string;
  /** As on the command line. */
  readonly where: string;
  readonly socket: string;
  /** pcscd's, such as `4:4`. */
  readonly protocol: string;
  /** Absent when the line broke meanwhile. */
  readonly roundTripMs: number | undefined;
  readonly readers: readonly Reader[];
}

export const foundJson = (found: Found): string =>
  JSON.stringify({ ...found, readers: found.readers.map(readerJson) });

/**
 * One screen: what is there, and what to do next.
 *
 * @param use how programs find the socket, where they need no variable for it.
 */
export function foundText(found: Found, use: string = variableText(found.socket)): string {
  const { where, protocol, roundTripMs, readers } = found;
  const count = readers.length === 1 ? "1 reader" : `${readers.length} readers`;
  const trip = roundTripMs === undefined ? [] : [`${roundTripMs.toFixed(1)} ms round trip`];
  return [
    `${where}: ${[count, `pcscd protocol ${protocol}`, ...trip].join(", ")}`,
    ...(readers.length > 0 ? [readersTable(readers).replaceAll(/^/gm, "  ")] : []),
    "",
    use,
    "",
  ].join("\n");
}

const variableText = (socket: string): string =>
  `Programs find them here once this is set in their environment:\n  ${exportLine(socket)}`;
