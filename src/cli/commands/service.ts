import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import type { Scope } from "../../host/systemctl.ts";
import type { Exit, Io } from "../io.ts";
import { subcommand } from "../options.ts";

export interface ServiceDeps {
  readonly io: Io;
  readonly exit: Exit;
  /** The command line behind `--`. */
  readonly rest: readonly string[];
  /** The whole program once more, to read that command line with. */
  readonly parser: () => CommandUnknownOpts;
}

export const serviceCommand = (deps: ServiceDeps) =>
  subcommand("service", "Let systemd attach: at boot, before anybody logs in", [
    "cardwire service install -- attach cardhost",
    "cardwire service status",
    "cardwire service remove cardhost",
  ])
    .addCommand(installCommand(deps))
    .addCommand(removeCommand(deps))
    .addCommand(statusCommand(deps))
    .addCommand(placeCommand(), { hidden: true });

/** Whose service manager. */
const userOption = () =>
  new Option("--user", "a service of your own (default unless you are root)").conflicts("system");
const systemOption = () => new Option("--system", "a service of the system (default for root)");

function scopeOf({ user, system }: { user?: true | undefined; system?: true | undefined }): Scope {
  if (user) return "user";
  return system || process.getuid?.() === 0 ? "system" : "user";
}

const installCommand = ({ io, exit, rest, parser }: ServiceDeps) =>
  subcommand("install", "Write a unit, start it, and have it started at boot", [
    "cardwire service install -- attach cardhost",
    "sudo cardwire service install --as cardwire -- attach cardhost --system --mode 0666",
    "cardwire service install --dry-run -- attach cardhost --name work",
  ])
    .usage("[options] -- <command...>")
    .addOption(userOption())
    .addOption(systemOption())
    .option("--name <name>", "what to call the service (default: the attachment's name)")
    .option("--as <user>", "who runs a service of the system (default: root)")
    .option("--dry-run", "print the unit, and change nothing")
    .option("--json", "one JSON object, for scripts")
    .action(async (flags) => {
      const { installService } = await import("../service/install.ts");
      const { readCommandLine } = await import("../service/wrapped-command.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const command = await readCommandLine(parser(), rest, { isOwn: flags.as === undefined });
      const options = {
        scope: scopeOf(flags),
        name: flags.name,
        user: flags.as,
        dryRun: flags.dryRun ?? false,
        json: flags.json ?? false,
      };
      await untilInterrupted(exit, (signal) => installService(command, options, { io, signal }));
    });

const removeCommand = ({ io }: ServiceDeps) =>
  subcommand("remove", "Stop a service and remove its unit", [
    "cardwire service remove cardhost",
    "sudo cardwire service remove cardhost --json",
  ])
    .argument("<name>", "as 'cardwire service status' shows it")
    .addOption(userOption())
    .addOption(systemOption())
    .option("--json", "one JSON object, for scripts")
    .action(async (name, flags) => {
      const { removeService } = await import("../service/remove.ts");
      const scope = scopeOf(flags);
      const path = await removeService(scope, name);
      io.out(flags.json ? JSON.stringify({ name, scope, path }) : `${name} is removed: ${path}`);
    });

const statusCommand = ({ io }: ServiceDeps) =>
  subcommand("status", "List the services and how they are", [
    "cardwire service status",
    "cardwire service status --json",
  ])
    .option("--json", "one JSON object a line, for scripts")
    .action(async ({ json }) => {
      const { serviceReports, servicesTable } = await import("../service/status.ts");
      const reports = await serviceReports();
      if (json) for (const report of reports) io.out(JSON.stringify(report));
      else if (reports.length > 0) io.out(servicesTable(reports));
      else io.err("No services. 'cardwire service install -- attach HOST' makes one.");
    });

/** What the units of services at the standard path call, as root, before they start and after they ended. */
const placeCommand = () =>
  subcommand("system-place", "Prepare pcsc-lite's standard path for a service's user", [
    "cardwire service system-place --as cardwire",
  ])
    .option("--as <user>", "who is to make the socket (default: root)")
    .option("--clear", "remove what a killed service left there")
    .action(async ({ as: user, clear }) => {
      const { clearSystemSocket, giveSystemSocketTo } = await import("../../host/system-socket.ts");
      const { findAccount } = await import("../../host/account.ts");
      if (clear) await clearSystemSocket();
      else await giveSystemSocketTo(user === undefined ? 0 : (await findAccount(user)).uid);
    });
