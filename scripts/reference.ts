import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { lineages } from "../src/cli/help.ts";
import type { ExitCode } from "../src/cli/io.ts";
import { program } from "../src/cli/program.ts";

// What the pages of docs/ and the manual pages tell alike.

/** The program itself, which prints nothing here. */
export function commandLine(): ReturnType<typeof program> {
  const io = { out: () => {}, err: () => {}, env: {} };
  return program(io, { version: "", rest: [], setExit: () => {}, withReaders: async () => {} });
}

/** What no person is to call. */
const isHidden = (command: CommandUnknownOpts): boolean =>
  command.parent?.createHelp().visibleCommands(command.parent).includes(command) === false;

/** Every command for people that does something itself, with what is typed for it. */
export const everyCommand = (top: CommandUnknownOpts) =>
  lineages([top])
    .filter((lineage) => !lineage.some(isHidden))
    .map((lineage) => ({
      command: lineage.at(-1) ?? top,
      words: lineage.map((one) => one.name()).join(" "),
    }))
    .filter(({ command }) => command.commands.length === 0);

export const exitCodes: Readonly<Record<keyof typeof ExitCode, string>> = {
  Good: "It worked. `attach` was ended by Ctrl-C or a signal.",
  Failed: "It did not work; standard error says why and what to do.",
  WrongUsage: "The command line was wrong, or WHERE is none.",
  CannotRun: "`run`: the program is there but cannot be started.",
  NotFound: "`run`: there is no such program.",
};

/** What the parser does not know. */
export const environment: readonly (readonly string[])[] = [
  ["`CARDWIRE_SSH`", "The ssh program and its first arguments; `--ssh` goes before it."],
  ["`CARDWIRE_VIA`", "What `attach`, `run` and `share` use over there; `--via` goes before it."],
  [
    "`PCSCLITE_CSOCK_NAME`",
    "The socket that PC/SC programs use. `readers` without WHERE looks there; `run` sets it for its program; `env` prints the line that sets it.",
  ],
  [
    "`XDG_RUNTIME_DIR`",
    "Sockets and records of attachments are in its folder `cardwire`. Without it they are in `/tmp/cardwire-UID`; root's are in `/run/cardwire`.",
  ],
  [
    "`XDG_CONFIG_HOME`",
    "The settings file is in its folder `cardwire`; without it in `~/.config/cardwire`. Root's is `/etc/cardwire/config.toml`.",
  ],
  [
    "`NO_COLOR`",
    "With any value: no colour. There is none either where the output is no terminal.",
  ],
  [
    "`NOTIFY_SOCKET`",
    "Set by systemd: `attach` and `share` tell it when they are ready and how their lines are.",
  ],
  ["`SSH_ASKPASS`", "As for ssh: it may ask for a password where there is no terminal."],
];
