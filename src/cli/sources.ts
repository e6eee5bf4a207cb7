import { cardwireText, nameOf, parseWhere, type Where } from "../domain/where.ts";
import { programsSocket } from "../host/programs-socket.ts";
import { SYSTEM_SOCKET } from "../host/system-socket.ts";
import { wrongUsage } from "./options.ts";

/** One of the places whose readers a command uses. */
export interface Source {
  /** As on the command line; `local` for `--local`. */
  readonly text: string;
  readonly where: Where;
  /** Goes into the names of its readers where there are several sources. No other has the same. */
  readonly label: string;
}

/** This computer's pcscd, for `--local`. */
const HERE = { text: "local", where: { kind: "unix", path: SYSTEM_SOCKET } } as const;

/** Where programs find readers that are started with `env`. @throws {CardwireError} `E_SOCKET_PATH` */
export const whereHere = (env: Readonly<Record<string, string | undefined>>): string =>
  `unix:${programsSocket(env)}`;

/** Longest name that is made of several hosts' names, characters. The socket's path has to bear it. */
const MAX_NAME = 40;

/**
 * The places that a command line names, in its order, this computer last.
 *
 * @throws {CardwireError} `E_USAGE` when there is none, or one twice; `E_WHERE` for what is none.
 */
export function parseSources(
  wheres: readonly string[],
  { local = false }: { readonly local?: boolean | undefined } = {},
): readonly Source[] {
  const named = wheres.map((text) => ({ text, where: parseWhere(text) }));
  const all = local ? [...named, HERE] : named;
  if (all.length === 0)
    throw wrongUsage(
      "WHERE is missing",
      "Name a host, or use --local for the readers of this one.",
    );
  const full = all.map(({ where }) => fullNameOf(where));
  const twice = all.find((_, index) => full.indexOf(full[index] ?? "") !== index);
  if (twice) throw wrongUsage(`${twice.text} is named twice`, "Name each place once.");
  const short = all.map(({ where }) => shortNameOf(where));
  const isAlone = (name: string) => short.filter((other) => other === name).length === 1;
  return all.map((one, index) => {
    const name = short[index] ?? "";
    return { ...one, label: isAlone(name) ? name : (full[index] ?? "") };
  });
}

/** What an attachment to these places is called when nobody chose a name. */
export function attachmentName(sources: readonly Source[]): string {
  const names = sources.map(({ where }) => nameOf(where));
  return names.length === 1 ? (names[0] ?? "") : names.join("-").slice(0, MAX_NAME);
}

function fullNameOf(where: Where): string {
  if (where.kind === "software" || where.kind === "demo") return `${where.kind}:`;
  if (where.kind === "cardwire") return cardwireText(where.host, where.port);
  return where.kind === "ssh" ? where.destination : `unix:${where.path}`;
}

/** By which people know it. */
function shortNameOf(where: Where): string {
  if (where.kind === "software" || where.kind === "demo") return where.kind;
  if (where.kind === "ssh" || where.kind === "cardwire") return where.host;
  return where.path === SYSTEM_SOCKET ? "local" : where.path;
}
