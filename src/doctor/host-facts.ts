import { type Findings, parseFindings } from "../carriers/ssh/remote-probe.ts";
import { MARK } from "./host-script.ts";

/** A line of sshd's configuration. */
export interface ConfigLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** A process that is connected to pcscd. */
export interface Client {
  readonly pid: number;
  readonly user: string;
  readonly program: string;
}

/** What `hostScript` found out about a computer with readers. */
export interface HostFacts extends Findings {
  /** pcsc-lite's release, such as `2.3.3`. */
  readonly version: string | undefined;
  /** What pcscd says it was built with. */
  readonly features: readonly string[];
  /** The command lines of running pcscds. */
  readonly running: readonly string[];
  /** How many connections pcscd's socket has. */
  readonly connections: number;
  /** What systemd says of pcscd.socket and pcscd.service; undefined where it does not run the computer. */
  readonly units: Readonly<Record<"socket" | "service", UnitState>> | undefined;
  readonly polkitVersion: string | undefined;
  readonly polkitRuns: boolean;
  /** Where the driver for USB readers is. */
  readonly ccid: string | undefined;
  /** The names of USB devices that are readers. */
  readonly usb: readonly string[];
  readonly clients: readonly Client[];
  /** Process numbers of GnuPG's scdaemons. */
  readonly scdaemons: readonly number[];
  readonly sshdConfig: readonly ConfigLine[];
  /** A private directory over there for as long as the script runs. */
  readonly scratch: string | undefined;
}

export interface UnitState {
  /** `active`, `inactive`, `failed`, … */
  readonly active: string;
  /** `enabled`, `disabled`, `masked`, `static`, … */
  readonly enabled: string;
}

/** Longest value that is taken over, in characters. */
const MAX_VALUE = 400;

/** Whether the script has told all it knows. */
export const isComplete = (output: string): boolean => /^done=yes\r?$/m.test(output);

/** Undefined when the script did not run: no shell over there. */
export function parseHost(output: string): HostFacts | undefined {
  const [, own = ""] = output.split(`\n${MARK}\n`);
  const probe = parseFindings(output);
  if (probe === undefined || own === "") return undefined;
  const lines = own.split("\n").flatMap((line) => {
    const [, name = "", value = ""] = /^([a-z.]+)=(.*)$/.exec(line.trimEnd()) ?? [];
    return [[name, value.replaceAll(/\p{C}/gu, "?").slice(0, MAX_VALUE).trim()] as const];
  });
  const all = (name: string): readonly string[] =>
    lines.filter(([key, value]) => key === name && value !== "").map(([, value]) => value);
  const first = (name: string): string | undefined => all(name)[0];
  const unit = (name: string): UnitState => {
    const [active = "", enabled = ""] = (first(`unit.${name}`) ?? "").split(" ");
    return { active, enabled };
  };
  return {
    ...probe,
    version: first("pcscd.version"),
    features: (first("pcscd.features") ?? "").split(" ").filter(Boolean),
    running: all("pcscd.args"),
    connections: Number(first("pcscd.connections") ?? 0),
    units:
      first("unit.socket") === undefined
        ? undefined
        : { socket: unit("socket"), service: unit("service") },
    polkitVersion: first("polkit.version"),
    polkitRuns: first("polkit.runs") !== undefined,
    ccid: first("ccid"),
    usb: [...new Set(all("usb"))],
    clients: all("client").flatMap(client),
    scdaemons: all("scdaemon.pid").map(Number),
    sshdConfig: all("sshd").flatMap(configLine),
    scratch: first("scratch"),
  };
}

function client(text: string): Client[] {
  const [, pid, user, program] = /^(\d+) (\S*) (.*)$/.exec(text) ?? [];
  if (pid === undefined || user === undefined || program === undefined) return [];
  return [{ pid: Number(pid), user, program }];
}

/** grep's `FILE:LINE:TEXT`. */
function configLine(text: string): ConfigLine[] {
  const [, file, line, rest] = /^([^:]+):(\d+):\s*(.*)$/.exec(text) ?? [];
  if (file === undefined || rest === undefined) return [];
  return [{ file, line: Number(line), text: rest }];
}
