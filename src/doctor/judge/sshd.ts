import { type Finding, finding } from "../finding.ts";
import type { ConfigLine, HostFacts } from "../host-facts.ts";

/** What sshd on the card host let us do. */
export interface ForwardFacts {
  /** Whether it opened a stream to pcscd's socket. It does not if nobody listens there, either. */
  readonly opened: boolean;
  /** Whether it listened at a socket over there for us; undefined when that was not tried. */
  readonly listens: boolean | undefined;
  /** Whether it did so where a file was. */
  readonly bindUnlink: boolean | undefined;
  /** What authorized_keys says of the key that logged in, as sshd tells it. */
  readonly key:
    | { readonly file: string; readonly line: number; readonly options: readonly string[] }
    | undefined;
  readonly shell: boolean;
  /** Whether sshd refused the first session. */
  readonly sessionRefused: boolean;
  /** Whether a second session could run beside it. */
  readonly secondSession: boolean | undefined;
}

/** @param place how people call the card host. */
export function judgeSshd(
  place: string,
  facts: ForwardFacts,
  host: HostFacts | undefined,
): readonly Finding[] {
  return [
    ...judgeForwarding(place, facts, host),
    ...judgeListening(place, facts, host),
    ...judgeBindUnlink(place, facts),
    ...judgeSessions(place, facts, host),
  ];
}

function judgeForwarding(
  place: string,
  facts: ForwardFacts,
  host: HostFacts | undefined,
): readonly Finding[] {
  const forwards = `sshd on ${place} forwards to pcscd's socket`;
  if (facts.opened) return [finding("sshd-forwards", "good", forwards)];
  // Whoever could not connect over there cannot blame sshd.
  if (host !== undefined && host.connect !== "ok") {
    const why = "because nothing answers at pcscd's socket over there";
    return [finding("sshd-untried", "note", `whether ${forwards} could not be tried, ${why}`)];
  }
  if (isRestricted(facts, ["permitopen"])) return [keyRestricted(place, facts, "fault")];
  if (host === undefined) return []; // told as pcscd-unreachable
  const what = `sshd on ${place} forbids to forward to pcscd's socket`;
  return [finding("sshd-forbids-forwarding", "fault", what, serverRemedy(place, host, "local"))];
}

function judgeListening(
  place: string,
  facts: ForwardFacts,
  host: HostFacts | undefined,
): readonly Finding[] {
  if (facts.listens === undefined) {
    const why = facts.shell ? "no directory for it could be made there" : "there is no shell";
    const what = `whether sshd on ${place} opens a socket there ('cardwire share') was not tried: ${why}`;
    return [finding("sshd-untried", "note", what)];
  }
  if (facts.listens)
    return [finding("sshd-listens", "good", `sshd on ${place} opens a socket there for 'share'`)];
  if (isRestricted(facts)) return facts.opened ? [keyRestricted(place, facts, "warning")] : []; // told already
  const what = `sshd on ${place} opens no socket there: 'cardwire share ${place}' will fail`;
  const remedy = serverRemedy(place, host, "remote");
  return [finding("sshd-forbids-listening", "warning", what, remedy)];
}

function judgeBindUnlink(place: string, { bindUnlink }: ForwardFacts): readonly Finding[] {
  if (bindUnlink === undefined) return [];
  const state = bindUnlink ? "on" : "off";
  return [
    finding(
      "sshd-bind-unlink",
      "note",
      `StreamLocalBindUnlink is ${state} on ${place}; cardwire does not need it`,
    ),
  ];
}

function judgeSessions(
  place: string,
  facts: ForwardFacts,
  host: HostFacts | undefined,
): readonly Finding[] {
  if (facts.sessionRefused || facts.secondSession === false) {
    const count = facts.sessionRefused ? "no session" : "only one session";
    const found = linesOf(host, ["maxsessions"]);
    return [
      finding(
        "sshd-max-sessions",
        "warning",
        `sshd on ${place} allows ${count} on a connection; 'share' needs two`,
        [...where(place, found), "MaxSessions 10", RELOAD],
      ),
    ];
  }
  if (facts.shell) return [];
  const forced = facts.key?.options.includes("command");
  const why = forced
    ? `${facts.key?.file} line ${facts.key?.line} forces a command`
    : "a forced command, or an account without a shell";
  const what = `this login runs no shell on ${place} (${why}); 'attach' needs none, but what pcscd does there stays unknown`;
  return [finding("sshd-no-shell", "note", what)];
}

/** sshd lists what a key may do; what is missing it may not, and `permitopen` leaves out what it does not name. */
function isRestricted({ key }: ForwardFacts, limits: readonly string[] = []): boolean {
  if (key === undefined) return false;
  const { options } = key;
  return !options.includes("port-forwarding") || limits.some((limit) => options.includes(limit));
}

function keyRestricted(place: string, { key }: ForwardFacts, level: "fault" | "warning"): Finding {
  const remedy = key?.options.includes("port-forwarding")
    ? "Remove the 'permitopen=…' options: no value of theirs lets a Unix socket through."
    : "Put 'port-forwarding' behind 'restrict', or remove 'no-port-forwarding'.";
  return finding(
    "sshd-key-restricted",
    level,
    `the key that logged in at ${place} may not forward to Unix sockets there`,
    [`# on ${place}, in ${key?.file}, line ${key?.line}:`, remedy],
  );
}

const RELOAD = "sudo systemctl reload ssh   # or sshd, as the unit is called there";

/** The keywords that forbid a direction, with the values that do not. AllowTcpForwarding counts for Unix sockets, too. */
const permitting: Readonly<Record<string, readonly string[]>> = {
  allowstreamlocalforwarding: ["yes", "all"],
  allowtcpforwarding: ["yes", "all"],
  disableforwarding: ["no"],
  permitopen: ["any"],
};

const settings = {
  local: [
    "AllowStreamLocalForwarding yes",
    "AllowTcpForwarding yes",
    "DisableForwarding no",
    "PermitOpen any",
  ],
  remote: ["AllowStreamLocalForwarding yes", "AllowTcpForwarding yes", "DisableForwarding no"],
} as const;

function serverRemedy(
  place: string,
  host: HostFacts | undefined,
  direction: "local" | "remote",
): readonly string[] {
  const wanted = settings[direction];
  const keywords = wanted.map((line) => keywordOf(line));
  const guilty = linesOf(host, keywords).filter(({ text }) => {
    const [keyword, value] = [keywordOf(text), valueOf(text)];
    return value !== direction && !(permitting[keyword] ?? []).includes(value);
  });
  const names = new Set(guilty.map(({ text }) => keywordOf(text)));
  const lines = wanted.filter((line) => guilty.length === 0 || names.has(keywordOf(line)));
  return [...where(place, guilty), ...lines, RELOAD];
}

/** Where to write the lines that follow: in place of those that were found, or in the usual file. */
const where = (place: string, found: readonly ConfigLine[]): readonly string[] =>
  found.length === 0
    ? [`# on ${place}, in /etc/ssh/sshd_config (Match blocks, too):`]
    : [
        `# on ${place}, in place of`,
        ...found.map(({ file, line, text }) => `#   ${file}:${line}: ${text}`),
      ];

const linesOf = (host: HostFacts | undefined, keywords: readonly string[]): readonly ConfigLine[] =>
  (host?.sshdConfig ?? []).filter(({ text }) => keywords.includes(keywordOf(text)));

const keywordOf = (line: string): string => (line.split(/[\s=]/)[0] ?? "").toLowerCase();
const valueOf = (line: string): string =>
  line
    .replace(/^\S+?[\s=]+/, "")
    .trim()
    .toLowerCase();
