import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Scope } from "../../host/systemctl.ts";
import { unitRuntimeDirectory, type UnitPlan } from "../../host/systemd-unit.ts";
import type { WrappedCommand } from "./wrapped-command.ts";

/** The program that a unit starts: the one that runs now, by its full name. */
export const program = (): readonly string[] => [
  process.execPath,
  fileURLToPath(new URL("../main.js", import.meta.url)),
];

/** What the unit for a command line has to say. */
export function planUnit(
  command: WrappedCommand,
  how: {
    readonly name: string;
    readonly scope: Scope;
    readonly user: string | undefined;
    readonly env: Readonly<Record<string, string | undefined>>;
    /** Where its state is, which it may write to; undefined where it keeps none. */
    readonly state?: string | undefined;
  },
): UnitPlan {
  const { name, scope, user, env, state } = how;
  const argv = [...command.argv];
  // One that began with a socket nobody else can find would be of no use: a user has no run-time directory at boot.
  const chosen =
    user !== undefined && command.hasSocket && command.socket === undefined && !command.system
      ? `/run/${unitRuntimeDirectory(name)}/pcscd.comm`
      : undefined;
  if (chosen !== undefined) argv.push("--socket", chosen);
  // The network may come after us.
  if (command.lacks("wait")) argv.push("--wait");
  const keys = [
    ...(scope === "user" ? ["XDG_STATE_HOME"] : []),
    "CARDWIRE_SSH",
    "CARDWIRE_VIA",
    "PCSCLITE_CSOCK_NAME",
    ...(scope === "user" ? ["XDG_CONFIG_HOME"] : []),
  ];
  const kept = keys.flatMap((key) => (env[key] ? [[key, env[key]] as const] : []));
  const paths = [...command.localSockets, ...(command.socket ? [command.socket] : [])];
  return {
    name,
    description: `cardwire ${command.argv.join(" ")}`,
    argv: [...program(), ...argv],
    env: {
      ...Object.fromEntries(kept),
      SSH_ASKPASS_REQUIRE: "never", // there is nobody to ask, also where a display is known
    },
    system:
      scope === "user"
        ? undefined
        : {
            user,
            group: command.group,
            writable: [
              ...(command.socket === undefined ? [] : [dirname(command.socket)]),
              ...(state === undefined ? [] : [state]),
            ],
            place: command.system ? placeCommands(user) : undefined,
            sharesTmp: paths.some((path) => /^\/(var\/)?tmp\//.test(path)),
          },
  };
}

const placeCommands = (user: string | undefined) => ({
  make: [...program(), "service", "system-place", ...(user === undefined ? [] : ["--as", user])],
  clear: [...program(), "service", "system-place", "--clear"],
});
