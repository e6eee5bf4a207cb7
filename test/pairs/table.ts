import { returnCodes } from "../../src/domain/return-codes.ts";
import { SUCCESS } from "../pcsc/client.ts";
import { FIRST } from "./exercise.ts";
import { clientReleases, daemonReleases, type Release, releases } from "./parties.ts";
import { differences, type Results } from "./results.ts";

// The table of all pairings, as docs/compatibility.md keeps it.

/** What came of an exercise: its results, or why it came to no end. */
export type Outcome = Results | Error;

const ROUTES = ["direct", "through cardwire"] as const;

/** What lies between a client and a daemon. */
export type Route = (typeof ROUTES)[number];

/** For each pairing and route, one cell. */
export class PairingTable {
  readonly #cells = new Map<string, string>();

  set(client: Release, daemon: Release, route: Route, cell: string): void {
    this.#cells.set([client, daemon, route].join(), cell);
  }

  /** In Markdown. A pairing that nobody tried has no text. */
  markdown(): string {
    const label = (release: Release): string => {
      const { debian, pcscLite, protocol } = releases[release];
      return `Debian ${debian}: ${pcscLite} (${protocol})`;
    };
    const rows = daemonReleases.flatMap((daemon) =>
      ROUTES.map((route, i) => [
        i === 0 ? label(daemon) : "",
        route,
        ...clientReleases.map((client) => this.#cells.get([client, daemon, route].join()) ?? ""),
      ]),
    );
    const head = ["pcscd of \\ libpcsclite of", "", ...clientReleases.map(label)];
    return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
  }
}

/** The table that a document keeps between the comments `<!-- pairings -->` and `<!-- end -->`. */
export function keptTable(document: string): string {
  return /<!-- pairings -->\n([^]*?)\n<!-- end -->/.exec(document)?.[1]?.trim() ?? "";
}

/** A return code as text: "0x8010001E SERVICE_STOPPED". */
function named(rv: string): string {
  const [name] = returnCodes[Number(rv)] ?? [];
  const hex = rv.slice(2).toUpperCase();
  return [`0x${hex}`, ...(name === undefined ? [] : [name.replace(/^SCARD_._/, "")])].join(" ");
}

const rvOf = (result: unknown): string =>
  typeof result === "object" && result !== null && "rv" in result ? String(result.rv) : "";

/** What is amiss where some results are not as they should be. */
const SYMPTOMS: readonly (readonly [results: RegExp, symptom: (found: Results) => string])[] = [
  [/^wait: the list|^the card goes, 1$/, () => "no plug counter"],
  [
    /^a wait before any list$|^a list after a wait$/,
    (found) => `a wait before any list: ${named(rvOf(found["a wait before any list"]))}`,
  ],
];

/** A cell: "ok", with which code the client was refused, or what came otherwise than it should. */
export function verdict(expected: Results, found: Outcome): string {
  if (found instanceof Error) return `broken: ${found.message}`;
  const refused = rvOf(found[FIRST]);
  if (refused !== SUCCESS) return named(refused);
  const symptoms = differences(expected, found).map(({ name }) => {
    const [, symptom] = SYMPTOMS.find(([results]) => results.test(name)) ?? [];
    return symptom?.(found) ?? name;
  });
  return symptoms.length === 0 ? "ok" : [...new Set(symptoms)].join("; ");
}
