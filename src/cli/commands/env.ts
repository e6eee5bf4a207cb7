import { Option } from "@commander-js/extra-typings";
import { CardwireError } from "../../domain/errors.ts";
import { runningAttachments } from "../../host/attachments.ts";
import { runtimePath } from "../../host/paths.ts";
import type { Io } from "../io.ts";
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
      const running = await runningAttachments(runtimePath());
      const fitting = name === undefined ? running : running.filter((one) => one.name === name);
      const [only, another] = fitting;
      const names = running.map((one) => one.name).join(", ");
      if (!only && name !== undefined && running.length > 0)
        throw new CardwireError("E_NO_ATTACHMENT", `no attachment is called ${name}`, {
          hint: `These are running: ${names}.`,
        });
      if (!only)
        throw new CardwireError("E_NO_ATTACHMENT", "no attachment is running", {
          hint: "Start one with 'cardwire attach HOST'.",
        });
      if (another)
        throw new CardwireError("E_NO_ATTACHMENT", "several attachments are running", {
          hint: `Name one of them: ${names}.`,
        });
      const { socket } = only;
      io.out(
        json
          ? JSON.stringify({ name: only.name, socket })
          : setVariable(shell, "PCSCLITE_CSOCK_NAME", socket),
      );
    });
