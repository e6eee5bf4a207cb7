import { Argument } from "@commander-js/extra-typings";
import { completingShells, completionScript } from "../completion/scripts.ts";
import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";

export const completionCommand = (io: Io) =>
  subcommand("completion", "Print a script that completes cardwire's command lines in your shell", [
    ["source <(cardwire completion bash)", "in ~/.bashrc"],
    ["source <(cardwire completion zsh)", "in ~/.zshrc"],
    ["cardwire completion fish | source", "in ~/.config/fish/config.fish"],
  ])
    .addArgument(new Argument("<shell>", "which one").choices(completingShells))
    .action((shell) => io.out(completionScript(shell).trimEnd()));
