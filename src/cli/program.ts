import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { attachCommand } from "./commands/attach.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { envCommand } from "./commands/env.ts";
import { type ReadersDeps, readersCommand } from "./commands/readers.ts";
import { runCommand } from "./commands/run.ts";
import { serviceCommand } from "./commands/service.ts";
import { shareCommand } from "./commands/share.ts";
import { uninstallCommand } from "./commands/uninstall.ts";
import type { Exit, Io } from "./io.ts";

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
  const commands = [
    attachCommand(io, options.setExit),
    runCommand(io, options.rest, options.setExit),
    shareCommand(io, options.setExit),
    envCommand(io),
    readersCommand({ io, exit: options.setExit, withReaders: options.withReaders }),
    doctorCommand(io, options.setExit),
    serviceCommand({
      io,
      exit: options.setExit,
      rest: options.rest,
      parser: () => program(io, options),
    }),
    uninstallCommand(io),
  ];
  const top = new Command("cardwire")
    .description("Smart card readers of another computer, for every PC/SC program here")
    .version(options.version);
  for (const command of commands) top.addCommand(command);
  for (const path of withSubcommands([top]))
    path
      .at(-1)
      ?.exitOverride()
      .configureOutput({
        writeOut: (text) => io.out(text.trimEnd()),
        writeErr: (text) => io.err(text.trimEnd()),
        outputError: (text, write) => write(usageError(text, path)),
      });
  return top;
}

type Path = readonly CommandUnknownOpts[];

/** A command and all below it, each with those it is under. */
export function withSubcommands(path: Path): readonly Path[] {
  const below = path.at(-1)?.commands ?? [];
  return [path, ...below.flatMap((command) => withSubcommands([...path, command]))];
}

/** What is wrong in one line, and what would be right in another. */
function usageError(text: string, commands: readonly CommandUnknownOpts[]): string {
  const [, what = text, suggestion] = /^(?:error: )?(.*?)(?:\n\((.*)\))?\s*$/s.exec(text) ?? [];
  const words = commands.map((command) => command.name()).join(" ");
  const right = suggestion ?? `Usage: ${words} ${commands.at(-1)?.usage() ?? ""}.`;
  return `cardwire: ${what}\nhint: ${right} '${words} --help' tells more.\n`;
}
