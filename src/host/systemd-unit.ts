import { SYSTEM_SOCKET } from "./system-socket.ts";

/** What a unit is to run, and what it may touch. */
export interface UnitPlan {
  /** As in `cardwire-NAME.service`. */
  readonly name: string;
  readonly description: string;
  /** The command line, its program as an absolute path. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absent for a unit of a user's own service manager. */
  readonly system?: SystemPlan | undefined;
}

export interface SystemPlan {
  /** Who runs it; absent is root. */
  readonly user?: string | undefined;
  /** The group that it gives its socket to. */
  readonly group?: string | undefined;
  /** Directories outside its own that it writes to. */
  readonly writable: readonly string[];
  /** Prepares pcsc-lite's standard place for it, as root, and clears it afterwards. Absent when it has no socket there. */
  readonly place?:
    | { readonly make: readonly string[]; readonly clear: readonly string[] }
    | undefined;
  /** Whether it has to see the real /tmp, because a socket is there. */
  readonly sharesTmp: boolean;
}

/** The directory in /run that systemd makes for a unit whose user may not write there. */
export const unitRuntimeDirectory = (name: string): string => `cardwire-${name}`;

/** The text of `cardwire-NAME.service`, as systemd.unit(5), systemd.service(5) and systemd.exec(5) want it. */
export function unitText(plan: UnitPlan): string {
  const { name, description, argv, env, system } = plan;
  const sections = [
    `# Made by cardwire. 'systemctl ${system ? "" : "--user "}edit cardwire-${name}.service' changes it, 'cardwire service remove ${name}' removes it.`,
    section("Unit", [
      ["Description", title(description)],
      ...(system ? atBoot(system) : []),
      // Never give up: the network may come hours after the start.
      ["StartLimitIntervalSec", "0"],
    ]),
    section("Service", [
      ["Type", "notify"],
      // systemd-notify, a child of the main process, speaks for it.
      ["NotifyAccess", "all"],
      ...(system?.place ? [["ExecStartPre", `+${commandLine(system.place.make)}`] as const] : []),
      ["ExecStart", commandLine(argv)],
      ...(system?.place ? [["ExecStopPost", `+-${commandLine(system.place.clear)}`] as const] : []),
      ["Restart", "on-failure"],
      ["RestartSec", "5"],
      // Wrong usage does not become right by trying again.
      ["RestartPreventExitStatus", "2"],
      // With --wait it is ready after one attempt at its card hosts; multi-user.target waits for that.
      ["TimeoutStartSec", "120"],
      ["TimeoutStopSec", "20"],
      // cardwire ends its ssh itself, and takes its socket away first.
      ["KillMode", "mixed"],
      ["SyslogIdentifier", unitRuntimeDirectory(name)],
      ...Object.entries(env).map(
        ([key, value]) => ["Environment", quoted(specifierless(`${key}=${value}`))] as const,
      ),
      ...(system ? sandbox(name, system) : []),
    ]),
    section("Install", [["WantedBy", system ? "multi-user.target" : "default.target"]]),
  ];
  return `${sections.join("\n\n")}\n`;
}

type Setting = readonly [key: string, value: string];

const section = (title: string, settings: readonly Setting[]): string =>
  [`[${title}]`, ...settings.map(([key, value]) => `${key}=${value}`)].join("\n");

/** When a system unit starts and ends. */
function atBoot({ place }: SystemPlan): readonly Setting[] {
  return [
    ["Wants", "network-online.target"],
    ["After", `network-online.target${place ? " pcscd.socket pcscd.service" : ""}`],
  ];
}

/** What a system unit may do: run ssh, use the network, and write to its own directory in /run. */
function sandbox(name: string, system: SystemPlan): readonly Setting[] {
  const { user, group, writable, place, sharesTmp } = system;
  const paths = [...(place ? [`-${SYSTEM_SOCKET.replace(/\/[^/]*$/, "")}`] : []), ...writable];
  return [
    ...(user === undefined ? rootsDirectory : usersDirectory(name, user)),
    // Only its own groups can a user give a socket to; root needs the capability for it, and nobody needs another.
    ...(group === undefined ? [] : [["SupplementaryGroups", specifierless(group)] as const]),
    ["CapabilityBoundingSet", user === undefined && group !== undefined ? "CAP_CHOWN" : ""],
    ...(paths.length > 0 ? [["ReadWritePaths", paths.map(path).join(" ")] as const] : []),
    ["NoNewPrivileges", "yes"],
    ["ProtectSystem", "strict"],
    ["ProtectHome", "read-only"], // for ~/.ssh and the settings
    ["PrivateTmp", sharesTmp ? "no" : "yes"],
    ...(sharesTmp ? [["ReadWritePaths", "/tmp /var/tmp"] as const] : []),
    ["PrivateDevices", "yes"],
    ["PrivateMounts", "yes"],
    ["ProtectProc", "invisible"],
    ["ProcSubset", "pid"],
    ["ProtectClock", "yes"],
    ["ProtectControlGroups", "yes"],
    ["ProtectHostname", "yes"],
    ["ProtectKernelLogs", "yes"],
    ["ProtectKernelModules", "yes"],
    ["ProtectKernelTunables", "yes"],
    ["RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"],
    ["RestrictNamespaces", "yes"],
    ["RestrictRealtime", "yes"],
    ["RestrictSUIDSGID", "yes"],
    ["LockPersonality", "yes"],
    ["RemoveIPC", "yes"],
    ["UMask", "0077"],
    ["SystemCallArchitectures", "native"],
    ["SystemCallFilter", "@system-service"],
    ["SystemCallFilter", "~@privileged @resources"],
    ...(group === undefined ? [] : [["SystemCallFilter", "@chown"] as const]),
    ["SystemCallErrorNumber", "EPERM"],
    // MemoryDenyWriteExecute is left out: Node.js compiles programs while they run.
    // PrivateUsers is left out: cardwire has to tell the users of its socket apart.
  ];
}

/** Root's attachments share /run/cardwire: no unit may take it away at its end. */
const rootsDirectory: readonly Setting[] = [
  ["RuntimeDirectory", "cardwire"],
  ["RuntimeDirectoryMode", "0711"],
  ["RuntimeDirectoryPreserve", "yes"],
];

/** A directory of the unit's own, into which others may go, as far as the rights of the socket there let them. */
const usersDirectory = (name: string, user: string): readonly Setting[] => [
  ["User", specifierless(user)],
  ["RuntimeDirectory", unitRuntimeDirectory(name)],
  ["RuntimeDirectoryMode", "0755"],
  ["Environment", `XDG_RUNTIME_DIR=/run/${unitRuntimeDirectory(name)}`],
];

/** Words as systemd.service(5), "Command lines", reads them back: `%` and `$` would be replaced otherwise. */
function commandLine([program = "", ...args]: readonly string[]): string {
  const words = args.map((word) => specifierless(word).replaceAll("$", "$$$$"));
  return [specifierless(program), ...words].map(word).join(" ");
}

/** A path in a list of paths, which knows quotes but no `$`. */
const path = (text: string): string => word(specifierless(text));

/** In one line: a backslash at its end would join it with the next. */
const title = (text: string): string =>
  specifierless(text.replaceAll(/\p{Cc}+/gu, " ").replace(/[\\\s]+$/, ""));

const specifierless = (text: string): string => text.replaceAll("%", "%%");

/** Quoted unless there is no need. A `;` on its own would end the command, so it is quoted too. */
const word = (text: string): string => (/^[\w./:@%+,=$-]+$/.test(text) ? text : quoted(text));

/** systemd.syntax(7), "Quoting": double quotes with the escapes of C. */
function quoted(text: string): string {
  const escaped = text.replaceAll(/["\\]|\p{Cc}/gu, (character) => {
    if (character === '"' || character === "\\") return `\\${character}`;
    const code = character.codePointAt(0) ?? 0;
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : character;
  });
  return `"${escaped}"`;
}
