import { isAbsolute } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { nameOf, parseWhere } from "../../domain/where.ts";
import { wrongUsage } from "../options.ts";
import { isGiven } from "../settings/own.ts";
import { attachmentName, parseSources } from "../sources.ts";
import { checkSystemSources } from "../system-option.ts";

/** Commands that run until they are stopped, and tell a service manager how they are. */
const LASTING: readonly string[] = ["attach", "share", "serve"];

/** The option by which a command gives a socket of this computer to a group. */
const groupOptions: Readonly<Record<string, string>> = { attach: "group", serve: "localGroup" };

/** A cardwire command line that a service is to run, as far as the service has to know it. */
export interface WrappedCommand {
  readonly argv: readonly string[];
  /** What a service that runs it is called when nobody chose a name. */
  readonly name: string;
  /** Whether it makes a socket on this computer. */
  readonly hasSocket: boolean;
  /** Where that was asked for. */
  readonly socket: string | undefined;
  readonly group: string | undefined;
  readonly system: boolean;
  /** Whether its WHERE is a name of the settings file, which only the one who runs the service can look up. */
  readonly isNamed: boolean;
  /** Its WHEREs, as they were written: they may be the names of hosts that were joined by who runs the service. */
  readonly wheres: readonly string[];
  /** Whether it writes to cardwire's state: keys and certificates. */
  readonly keepsState: boolean;
  /** Sockets of this computer that it connects to. */
  readonly localSockets: readonly string[];
  /** Whether the command knows this option and was not given it. */
  readonly lacks: (option: string) => boolean;
}

/**
 * Reads a command line with the program's own parser, without running it.
 *
 * @param top a program of this call's own: its commands lose their actions.
 * @param how.isOwn whether who asks is who runs the service: only then the settings file that is read here is its own.
 * @throws {CommanderError} what the parser says. @throws {CardwireError} `E_USAGE`, `E_WHERE`.
 */
export async function readCommandLine(
  top: CommandUnknownOpts,
  argv: readonly string[],
  { isOwn }: { readonly isOwn: boolean },
): Promise<WrappedCommand> {
  const [first = ""] = argv;
  const command = top.commands.find((one) => one.name() === first);
  if (command === undefined || !LASTING.includes(first)) {
    throw wrongUsage(
      first === "" ? "there is nothing to install" : `a service cannot run '${first}'`,
      "cardwire service install -- attach WHERE [options]",
    );
  }
  command.action(() => {});
  await top.parseAsync([...argv], { from: "user" });
  const flags: Readonly<Record<string, unknown>> = command.opts();
  const text = (name: string) => (typeof flags[name] === "string" ? flags[name] : undefined);
  // What the settings file says stands here in the place of a name.
  const wheres = command.processedArgs.flat().filter((one) => typeof one === "string");
  const local = first === "attach" ? parseSources(wheres, { local: flags["local"] === true }) : [];
  if (flags["system"] === true) checkSystemSources(local);
  const groupOption = groupOptions[first] ?? "";
  const socket = first === "attach" ? text("socket") : undefined; // that of a share is another computer's
  if (socket !== undefined && !isAbsolute(socket))
    throw wrongUsage(
      `${socket} is not an absolute path, and a service starts elsewhere`,
      "Give --socket a path that begins with '/'.",
    );
  return {
    argv,
    name: local.length > 0 ? (text("name") ?? attachmentName(local)) : otherName(first, wheres),
    hasSocket: first === "attach",
    socket,
    group: isOwn || isGiven(command, groupOption) ? text(groupOption) : undefined,
    system: flags["system"] === true,
    isNamed: wheres.join(" ") !== command.args.join(" "),
    wheres: first === "attach" ? command.args : [],
    keepsState: first === "serve" || local.some(({ where }) => where.kind === "cardwire"),
    localSockets: local.flatMap(({ where }) => (where.kind === "unix" ? [where.path] : [])),
    lacks: (option) =>
      command.options.some(({ long }) => long === `--${option}`) && flags[option] === undefined,
  };
}

/** `share-computer2`, so that readers can be lent to a host and borrowed from it at once. */
function otherName(command: string, [to]: readonly string[]): string {
  return to === undefined ? command : `${command}-${nameOf(parseWhere(to))}`;
}
