import type { CardwireError } from "../../domain/errors.ts";
import type { SocketHolder } from "../../host/socket-holder.ts";
import { type Finding, finding } from "../finding.ts";
import type { SocketPlace } from "./environment.ts";

/** A `cardwire serve` of this user's, that runs or did. */
export interface OwnServeFacts {
  readonly state: "known";
  /** Where its state is. */
  readonly path: string;
  /** How many identities came in, or were revoked. */
  readonly people: number;
  /** Whether people come with certificates of an organisation's. */
  readonly isMembers: boolean;
  /** Until when the authority's, and the server's, certificate hold, ms; undefined where there is none. */
  readonly authorityUntil: number | undefined;
  readonly serverUntil: number | undefined;
  readonly now: number;
  /** Where it listens, or did last. */
  readonly port: number;
  readonly running: "yes" | "no" | "silent";
  /** Who listens there, as far as this user may see. */
  readonly holder: SocketHolder | undefined;
  /** Where users of this computer join. */
  readonly local: SocketPlace;
}

export type OwnServeCase =
  | OwnServeFacts
  | { readonly state: "unusable"; readonly error: CardwireError };

export function judgeOwnServe(facts: OwnServeCase | undefined): readonly Finding[] {
  if (facts === undefined) return [];
  if (facts.state === "unusable")
    return [finding("serve-state", "fault", facts.error.message, facts.error.hint)];
  return [
    ...judgeAuthority(facts),
    ...judgeCertificate(facts),
    ...judgeRunning(facts),
    ...judgeLocal(facts),
  ];
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
/** So long before its end the authority is worth a word, ms: everybody has to be asked to join again. */
const SOON_MS = 90 * 86_400_000;

function judgeAuthority({ path, authorityUntil, now }: OwnServeFacts): readonly Finding[] {
  if (authorityUntil === undefined) return [];
  const left = authorityUntil - now;
  if (left > SOON_MS)
    return [finding("serve-authority", "good", `its authority holds until ${day(authorityUntil)}`)];
  const words = left > 0 ? "holds only until" : "expired on";
  return [
    finding(
      "serve-authority",
      left > 0 ? "warning" : "fault",
      `the authority in ${path} ${words} ${day(authorityUntil)}`,
      ["# end serve, and then:", `mv ${path} ${path}.old   # everybody has to be invited again`],
    ),
  ];
}

function judgeCertificate(facts: OwnServeFacts): readonly Finding[] {
  const { serverUntil, now, isMembers, running } = facts;
  // That of an organisation's is not in the state directory.
  if (serverUntil === undefined || isMembers) return [];
  const until = day(serverUntil);
  if (serverUntil > now)
    return [finding("serve-certificate", "good", `its certificate holds until ${until}`)];
  const what = `its certificate expired on ${until}`;
  if (running === "no") return []; // the next start renews it
  return [
    finding("serve-certificate", "fault", what, "date   # is the clock right? Start serve anew"),
  ];
}

function judgeRunning({ running, port, holder, people }: OwnServeFacts): readonly Finding[] {
  if (running === "yes")
    return [finding("serve-runs", "good", `serve runs and answers, at port ${port}`)];
  const by = holder && `${holder.name ?? "a program"} (process ${holder.pid})`;
  if (running === "silent")
    return [
      finding("serve-silent", "fault", "serve runs, and does not answer its commands", [
        ...(holder ? [`kill ${holder.pid}   # ends ${holder.name ?? "it"}`] : []),
        "cardwire serve",
      ]),
    ];
  const stopped = finding(
    "serve-stopped",
    "note",
    `no serve runs; it has ${people === 1 ? "1 identity" : `${people} identities`}`,
    "cardwire serve   # or from boot on: cardwire service install -- serve",
  );
  if (by === undefined) return [stopped];
  const taken = `${by} listens at port ${port}, where serve did last`;
  return [
    stopped,
    finding("serve-port-taken", "warning", taken, "cardwire serve --port PORT   # or end that one"),
  ];
}

function judgeLocal({ running, local }: OwnServeFacts): readonly Finding[] {
  if (running !== "yes") return [];
  if (local === "answers")
    return [finding("serve-local", "good", "users of this computer can join it")];
  return [
    finding(
      "serve-local",
      "note",
      "users of this computer cannot join it: it has no socket for them",
      "# serve says why when it starts: --local off, other readers, or another serve",
    ),
  ];
}
