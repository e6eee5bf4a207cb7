import { Option } from "@commander-js/extra-typings";
import type { Io } from "../io.ts";
import { oneAttachment } from "../one-attachment.ts";
import { subcommand } from "../options.ts";
import { setVariable, shells } from "../shell-syntax.ts";

export const envCommand = (io: Io) =>
  subcommand("env", "Print the line that shows programs a running attachment", [
    'eval "$(cardwire env)"',
    'eval "$(cardwire env cardhost)"',
    "cardwire env --shell fish | source",
    'eval "`cardwire env --shell csh`"',
  ])
    .argument("[name]", "which attachment, where several run")
    .addOption(
      new Option("--shell <shell>", "whose syntax; sh is bash's and zsh's, too")
        .choices(shells)
        .default("sh" as const),
    )
    .option("--json", "one JSON object")
    .action(async (name, { json, shell }) => {
      const only = await oneAttachment(name);
      const { socket } = only;
      io.out(
        json
          ? JSON.stringify({ name: only.name, socket })
          : setVariable(shell, "PCSCLITE_CSOCK_NAME", socket),
      );
    });
