import { readerJson } from "../domain/reader-json.ts";
import type { Published } from "../carriers/ssh/remote-socket.ts";
import type { Reader } from "../domain/card-service.ts";
import { exportLine, printable, readersTable } from "./report.ts";

/** What `share` made over there, and what it lends. */
export interface Lent {
  readonly to: string;
  readonly published: Published;
  readonly readers: readonly Reader[];
}

export const lentJson = ({ to, published, readers }: Lent): string =>
  JSON.stringify({
    to,
    socket: published.path,
    removedAtEnd: published.hasShell,
    readers: readers.map(readerJson),
  });

/** One screen: what is lent, and what to do with it over there. */
export function lentText({ to, published, readers }: Lent): string {
  const count = readers.length === 1 ? "1 reader" : `${readers.length} readers`;
  return [
    `${to}: ${count} of this computer can be used there now`,
    ...(readers.length > 0 ? [readersTable(readers).replaceAll(/^/gm, "  ")] : []),
    "",
    "Programs there find them once this is set in their environment:",
    `  ${printable(exportLine(published.path))}`,
    "",
  ].join("\n");
}

/** What people should know of this place. */
export function placeNotes({ to, published }: Pick<Lent, "to" | "published">): readonly string[] {
  const { closedDoor, hasShell } = published;
  return [
    ...(hasShell
      ? []
      : [
          `The account on ${to} has no shell: the socket has the name that sshd could make, and stays as a dead file at the end.`,
        ]),
    ...(closedDoor === undefined
      ? []
      : [
          `Those whom --mode and --group admit cannot reach the socket: ${printable(closedDoor)} on ${to} does not let them in. Choose another place with --socket.`,
        ]),
  ];
}
