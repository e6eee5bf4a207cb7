import { shellWord } from "../../domain/shell-word.ts";
import { type Finding, finding } from "../finding.ts";

/** A running attachment, and whether it answers. */
export interface AttachmentFacts {
  readonly name: string;
  readonly where: readonly string[];
  readonly socket: string;
  readonly pid: number;
  /** The names of its readers; undefined when it does not answer. */
  readonly readers: readonly string[] | undefined;
}

/** A socket that `cardwire share` on another computer put here. */
export interface SharedSocket {
  readonly path: string;
  /** Who lends, in the words of whoever lends. */
  readonly lender: string;
  readonly answers: boolean;
}

/** What the run-time directory holds. */
export interface SocketFacts {
  readonly directory: string;
  /** Why the directory cannot be used, in words, with the remedy. */
  readonly unusable?: { readonly why: string; readonly remedy: string };
  /** Why it could not be looked into. */
  readonly unread?: string;
  readonly attachments: readonly AttachmentFacts[];
  readonly shared: readonly SharedSocket[];
  /** Directories of attachments whose process is gone. */
  readonly dead: readonly { readonly name: string; readonly path: string }[];
  /** Sockets at which nobody listens, of no dead attachment. */
  readonly stale: readonly string[];
  /** Directories that killed commands left behind. */
  readonly left: readonly string[];
}

export function judgeSockets(facts: SocketFacts): readonly Finding[] {
  const { directory, unusable, unread } = facts;
  if (unusable) return [finding("runtime-directory", "fault", unusable.why, unusable.remedy)];
  if (unread !== undefined)
    return [finding("sockets-unknown", "note", `${directory} could not be read: ${unread}`)];
  return [
    ...facts.attachments.map(attachment),
    ...duplicates(facts.attachments),
    ...facts.shared.map(shared),
    ...facts.dead.map(({ name, path }) =>
      finding(
        "attachment-dead",
        "warning",
        `the attachment ${name} was killed; its directory ${path} is still there`,
        `rm -r ${shellWord(path)}   # or 'cardwire attach' with the same name, which replaces it`,
      ),
    ),
    ...facts.stale.map((path) =>
      finding("socket-stale", "warning", `nobody listens at ${path}`, `rm ${shellWord(path)}`),
    ),
    ...facts.left.map((path) =>
      finding(
        "directory-left",
        "note",
        `a cardwire that was killed left ${path} behind`,
        `rm -r ${shellWord(path)}`,
      ),
    ),
  ];
}

const to = ({ where }: AttachmentFacts): string => where.join(" and ") || "nowhere";

function attachment(one: AttachmentFacts): Finding {
  const { name, socket, pid, readers } = one;
  if (readers === undefined)
    return finding(
      "attachment-silent",
      "fault",
      `the attachment ${name} (process ${pid}, to ${to(one)}) does not answer at ${socket}`,
      [`kill ${pid}`, `cardwire attach ${one.where.map(shellWord).join(" ")} --name ${name}`],
    );
  const count = readers.length === 1 ? "1 reader" : `${readers.length} readers`;
  return finding("attachment", "good", `${name}: ${count} of ${to(one)} at ${socket}`);
}

const shared = ({ path, lender, answers }: SharedSocket): Finding =>
  answers
    ? finding("shared-socket", "good", `${lender} lends readers at ${path}`)
    : finding(
        "shared-socket-silent",
        "warning",
        `${path}, lent by ${lender}, does not answer`,
        `# where the readers are, start 'cardwire share' anew: it takes the place of this socket`,
      );

function duplicates(attachments: readonly AttachmentFacts[]): readonly Finding[] {
  const byPlace = new Map<string, AttachmentFacts[]>();
  for (const one of attachments) byPlace.set(to(one), [...(byPlace.get(to(one)) ?? []), one]);
  return [...byPlace].flatMap(([place, [first, ...others]]) => {
    if (first === undefined || others.length === 0) return [];
    const names = [first, ...others].map(({ name }) => name).join(", ");
    return [
      finding(
        "attachment-duplicate",
        "warning",
        `${others.length + 1} attachments lead to ${place}: ${names}; each costs a connection`,
        others.map(({ pid, name }) => `kill ${pid}   # ends ${name}, if no program uses it`),
      ),
    ];
  });
}
