import { shellWord } from "../../domain/shell-word.ts";
import { type Finding, finding } from "../finding.ts";

/** What is at the place that PCSCLITE_CSOCK_NAME names. */
export type SocketPlace =
  | "answers"
  | "silent"
  | "missing"
  | "not-a-socket"
  | "refused"
  | "denied"
  | "too-long";

/** Why a program runs with other rights than those of whoever started it. */
export type Privilege = "set-user-ID" | "set-group-ID" | "file capabilities";

export interface ProgramFacts {
  readonly path: string;
  /** Whether a person asked for this one. */
  readonly asked: boolean;
  readonly privilege: Privilege | undefined;
  /** Whether libpcsclite is compiled into it. */
  readonly bundled: boolean;
  /** Why it could not be looked at. */
  readonly unknown?: string;
}

/** A socket here with readers of another computer. */
export interface Source {
  readonly socket: string;
  /** In words: `the attachment work`. */
  readonly title: string;
  /** The line that sets the variable. */
  readonly line: string;
}

/** The environment in which doctor runs, and so do the programs that are started beside it. */
export interface EnvironmentFacts {
  readonly variable: string | undefined;
  /** Undefined without the variable. */
  readonly place: SocketPlace | undefined;
  readonly standardSocket: string;
  /** Whether a pcscd answers at the standard place. */
  readonly localPcscd: boolean;
  /** Sockets with readers of other computers: of attachments, and shared from over there. */
  readonly sources: readonly Source[];
  /** What the user's service manager sets; undefined where there is none to ask. */
  readonly session: { readonly variable: string | undefined } | undefined;
  readonly programs: readonly ProgramFacts[];
  /** Whether some libpcsclite here leaves the variable out of account in programs with other rights. */
  readonly librarySecure: boolean;
}

export function judgeEnvironment(facts: EnvironmentFacts): readonly Finding[] {
  return [
    ...(facts.variable === undefined ? unset(facts) : set(facts, facts.variable)),
    ...session(facts),
    ...facts.programs.filter(({ asked }) => asked).flatMap((one) => judgeProgram(facts, one)),
    ...wellKnown(facts),
  ];
}

function unset(facts: EnvironmentFacts): readonly Finding[] {
  const { sources, standardSocket, localPcscd } = facts;
  const [first] = sources;
  if (sources.some(({ socket }) => socket === standardSocket)) {
    const what = `programs find ${standardSocket} without a variable`;
    return [finding("variable", "good", what)];
  }
  if (first === undefined) {
    const what = `PCSCLITE_CSOCK_NAME is not set: programs use ${standardSocket}`;
    return [finding("variable", "good", what)];
  }
  const what = `there is ${first.title}, but PCSCLITE_CSOCK_NAME is not set here`;
  if (!localPcscd)
    return [finding("variable-unset", "warning", `${what}: programs do not find it`, first.line)];
  const instead = `${what}: programs see the readers of the pcscd on this computer only`;
  return [finding("local-pcscd-in-the-way", "warning", instead, first.line)];
}

function set(facts: EnvironmentFacts, variable: string): readonly Finding[] {
  const { sources, place, standardSocket } = facts;
  const at = `PCSCLITE_CSOCK_NAME=${variable}`;
  const remedy = repair(facts);
  switch (place) {
    case "missing":
      return [finding("variable-missing-socket", "fault", `${at}: there is no such file`, remedy)];
    case "not-a-socket":
      return [finding("variable-not-a-socket", "fault", `${at}: that is not a socket`, remedy)];
    case "refused":
      return [
        finding("variable-dead-socket", "fault", `${at}: nobody listens there any more`, remedy),
      ];
    case "denied":
      return [
        finding("variable-denied", "fault", `${at}: this user has no right to it`, [
          `ls -l ${shellWord(variable)}   # its owner can attach with --group and --mode`,
          ...remedy,
        ]),
      ];
    case "silent":
      return [
        finding("variable-silent", "fault", `${at}: what listens there does not answer`, remedy),
      ];
    case "too-long":
      return [
        finding(
          "variable-too-long",
          "fault",
          `${at} has ${Buffer.byteLength(variable)} bytes; a socket's path has 107 at most`,
          ["cardwire attach HOST --socket /a/shorter/path", ...remedy],
        ),
      ];
    case "answers":
    case undefined: {
      const own = sources.find(({ socket }) => socket === variable);
      if (own) return [finding("variable", "good", `programs here find ${own.title}`)];
      if (sources.length === 0 || variable === standardSocket)
        return [finding("variable", "good", `programs here find what answers at ${variable}`)];
      const what = `${at}: that answers, but is no attachment of yours`;
      return [finding("variable-elsewhere", "note", what, remedy)];
    }
    default:
      return place satisfies never;
  }
}

/** The line that points programs to where somebody answers. */
function repair({ sources, localPcscd }: EnvironmentFacts): readonly string[] {
  const [first] = sources;
  if (first) return [first.line];
  return [
    `unset PCSCLITE_CSOCK_NAME   # ${localPcscd ? "pcscd runs on this computer" : "in every shell and profile that sets it"}`,
    "# or, for the readers of another computer:",
    "cardwire attach HOST",
  ];
}

function session({ variable, session: manager }: EnvironmentFacts): readonly Finding[] {
  if (variable === undefined || manager === undefined || manager.variable === variable) return [];
  const has =
    manager.variable === undefined ? "do not have it" : `have ${manager.variable} there instead`;
  return [
    finding(
      "session-environment",
      "note",
      `PCSCLITE_CSOCK_NAME is set in this shell; programs that systemd or the desktop starts ${has}`,
      [
        "systemctl --user import-environment PCSCLITE_CSOCK_NAME",
        "dbus-update-activation-environment PCSCLITE_CSOCK_NAME",
      ],
    ),
  ];
}

function judgeProgram(facts: EnvironmentFacts, program: ProgramFacts): readonly Finding[] {
  const { path, privilege, bundled, unknown } = program;
  if (unknown !== undefined) return [finding("program-unknown", "note", `${path}: ${unknown}`)];
  const copy = bundled
    ? [finding("library-bundled", "note", `${path} has libpcsclite compiled in`)]
    : [];
  if (privilege === undefined)
    return [...copy, finding("program-follows", "good", `${path} follows PCSCLITE_CSOCK_NAME`)];
  return [
    ...copy,
    facts.librarySecure
      ? finding("variable-ignored", "warning", `${path} ${ignores(privilege)}`, atStandard(facts))
      : finding(
          "variable-ignored",
          "note",
          `${path} has ${privilege}; with libpcsclite 2.0 and later it would ignore PCSCLITE_CSOCK_NAME`,
        ),
  ];
}

/** Worth a word only where the variable is in use, and would be ignored. */
function wellKnown(facts: EnvironmentFacts): readonly Finding[] {
  const found = facts.programs.filter(({ asked }) => !asked).map(({ path }) => path);
  const matters = facts.variable !== undefined || facts.sources.length > 0;
  if (found.length === 0 || !matters || !facts.librarySecure) return [];
  const what = `programs with other rights than yours ignore PCSCLITE_CSOCK_NAME: ${found.join(", ")}`;
  return [finding("variable-ignored", "note", what, atStandard(facts))];
}

const ignores = (privilege: Privilege): string =>
  `has ${privilege}, and so ignores PCSCLITE_CSOCK_NAME`;

/** They use pcscd's own place, whatever the environment says. */
const atStandard = ({ standardSocket }: EnvironmentFacts): string =>
  `sudo cardwire attach HOST --mode 0666 --socket ${standardSocket}   # where no pcscd has that place`;
