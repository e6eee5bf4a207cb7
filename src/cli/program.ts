import type { Command, CommandUnknownOpts } from "@commander-js/extra-typings";
import { agentCommand } from "./commands/agent.ts";
import { attachCommand } from "./commands/attach.ts";
import { cardCommand } from "./commands/card.ts";
import { completionCommand } from "./commands/completion.ts";
import { configCommand } from "./commands/config.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { envCommand } from "./commands/env.ts";
import { identitiesCommand } from "./commands/identities.ts";
import { inviteCommand } from "./commands/invite.ts";
import { joinCommand } from "./commands/join.ts";
import { kickCommand } from "./commands/kick.ts";
import { leaseCommand } from "./commands/lease.ts";
import { leaveCommand } from "./commands/leave.ts";
import { policyCommand } from "./commands/policy.ts";
import { type ReadersDeps, readersCommand } from "./commands/readers.ts";
import { revokeCommand } from "./commands/revoke.ts";
import { runCommand } from "./commands/run.ts";
import { serveCommand } from "./commands/serve.ts";
import { serviceCommand } from "./commands/service.ts";
import { shareCommand } from "./commands/share.ts";
import { statusCommand } from "./commands/status.ts";
import { uninstallCommand } from "./commands/uninstall.ts";
import { addInGroups, CommandWithExamples, type Example, lineages } from "./help.ts";
import type { Exit, Io } from "./io.ts";
import { applyJoined } from "./settings/joined.ts";
import { settingTables } from "./settings/keys.ts";
import { applyNamed } from "./settings/named.ts";
import { applyServe } from "./settings/own.ts";

const description = "Smart card readers of another computer, for every PC/SC program here";

const commonTasks: readonly Example[] = [
  ["cardwire run alice@cardhost -- pkcs11-tool -L", "for one program"],
  ["cardwire attach cardhost", "for all, until Ctrl-C"],
  ['eval "$(cardwire env)"', "in another terminal"],
  ["cardwire share alice@computer2", "the other direction"],
  ["cardwire demo", "no card at hand? One of software"],
];

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
    leaseCommand(io, options.rest, options.setExit),
    shareCommand(io, options.setExit),
    serveCommand(io, options.setExit, tables),
    inviteCommand(io),
    joinCommand(io, options.setExit),
    leaveCommand(io),
    identitiesCommand(io),
    revokeCommand(io),
    kickCommand(io),
    cardCommand(io, options.setExit),
    envCommand(io),
    statusCommand(io),
    readersCommand({ io, exit: options.setExit, withReaders: options.withReaders }),
    demoCommand(io, options.setExit),
    doctorCommand(io, options.setExit, options.version),
    serviceCommand({
      io,
      exit: options.setExit,
      rest: options.rest,
      parser: () => program(io, options),
    }),
    policyCommand(io, tables),
    uninstallCommand(io),
    agentCommand(options.version),
    configCommand(io, tables),
    completionCommand(io),
  ];
  const top = new CommandWithExamples("cardwire", description, commonTasks)
    .version(options.version)
    .hook("preAction", async (_top, command) => {
      await applyNamed(command, { io, tables });
      await applyServe(command, { io, tables });
      await applyJoined(command);
    });
  addInGroups(top, commands);
  for (const lineage of lineages([top]))
    lineage
      .at(-1)
      ?.exitOverride()
      .configureOutput({
        writeOut: (text) => io.out(text.replace(/\n$/, "")),
        writeErr: (text) => io.err(text.replace(/\n$/, "")),
        outputError: (text, write) => write(usageError(text, lineage)),
      });
  return top;
}

/** What is wrong in one line, and what would be right in another. */
function usageError(text: string, commands: readonly CommandUnknownOpts[]): string {
  const [, what = text, suggestion] = /^(?:error: )?(.*?)(?:\n\((.*)\))?\s*$/s.exec(text) ?? [];
  const words = commands.map((command) => command.name()).join(" ");
  const right = suggestion ?? `Usage: ${words} ${commands.at(-1)?.usage() ?? ""}.`;
  return `cardwire: ${what}\nhint: ${right} '${words} --help' tells more.\n`;
}
