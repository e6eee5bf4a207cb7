import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { attachCommand } from "./commands/attach.ts";
import { configCommand } from "./commands/config.ts";
import { envCommand } from "./commands/env.ts";
import { type ReadersDeps, readersCommand } from "./commands/readers.ts";
import { runCommand } from "./commands/run.ts";
import type { Exit, Io } from "./io.ts";
import { settingTables } from "./settings/keys.ts";
import { applyNamed } from "./settings/named.ts";

/** The whole command line, as data: what help, completion and manual pages are made from. */
export function program(
  io: Io,
  options: {
    readonly version: string;
    /** What stands behind the first `--`. */
    readonly rest: readonly string[];
    readonly setExit: Exit;
    readonly withReaders: ReadersDeps["withReaders"];
  },
): Command {
  const tables = () => settingTables(top.commands);
  const commands = [
    attachCommand(io, options.setExit),
    runCommand(io, options.rest, options.setExit),
    envCommand(io),
    readersCommand({ io, withReaders: options.withReaders }),
    configCommand(io, tables),
  ];
  const top = new Command("cardwire")
    .description("Smart card readers of another computer, for every PC/SC program here")
    .version(options.version)
    .hook("preAction", (_top, command) => applyNamed(command, { io, tables }));
  for (const command of commands) top.addCommand(command);
  for (const lineage of lineages([top]))
    lineage
      .at(-1)
      ?.exitOverride()
      .configureOutput({
        writeOut: (text) => io.out(text.trimEnd()),
        writeErr: (text) => io.err(text.trimEnd()),
        outputError: (text, write) => write(usageError(text, lineage)),
      });
  return top;
}

/** Each command below the last of `ancestors`, itself too, behind those that lead to it. */
function lineages(ancestors: readonly CommandUnknownOpts[]): (readonly CommandUnknownOpts[])[] {
  const below = ancestors.at(-1)?.commands ?? [];
  return [ancestors, ...below.flatMap((command) => lineages([...ancestors, command]))];
}

/** What is wrong in one line, and what would be right in another. */
function usageError(text: string, commands: readonly CommandUnknownOpts[]): string {
  const [, what = text, suggestion] = /^(?:error: )?(.*?)(?:\n\((.*)\))?\s*$/s.exec(text) ?? [];
  const words = commands.map((command) => command.name()).join(" ");
  const right = suggestion ?? `Usage: ${words} ${commands.at(-1)?.usage() ?? ""}.`;
  return `cardwire: ${what}\nhint: ${right} '${words} --help' tells more.\n`;
}
