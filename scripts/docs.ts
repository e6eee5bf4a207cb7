import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { exampleLines, examplesOf, lineages } from "../src/cli/help.ts";
import { ExitCode } from "../src/cli/io.ts";
import { program } from "../src/cli/program.ts";
import { errorCodes } from "../src/domain/error-codes.ts";
import { Rv, returnCodes } from "../src/domain/return-codes.ts";

// Writes docs/cli.md and docs/errors.md from the objects that the program runs on. With --check it
// writes nothing and fails when a page is not what it would write.

const NOTE = "<!-- Made by `npm run docs`. Change the sources, not this file. -->";

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const page = (...parts: readonly string[]): string => `${parts.filter(Boolean).join("\n\n")}\n`;

/** The program itself, which prints nothing here. */
export function commandLine(): ReturnType<typeof program> {
  const io = { out: () => {}, err: () => {}, env: {} };
  return program(io, { version: "", rest: [], setExit: () => {}, withReaders: async () => {} });
}

/** Every command that does something itself, with what is typed for it. */
export const everyCommand = (top: CommandUnknownOpts) =>
  lineages([top])
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
  ["`SSH_ASKPASS`", "As for ssh: it may ask for a password where there is no terminal."],
];

export function commandsPage(): string {
  const top = commandLine();
  const help = top.createHelp();
  const sections = everyCommand(top).map(({ command, words }) => {
    const examples = exampleLines(examplesOf(command)).join("\n");
    const args = help
      .visibleArguments(command)
      .map((argument) => [
        `\`${help.argumentTerm(argument)}\``,
        help.argumentDescription(argument),
      ]);
    const options = command.options.map((option) => [
      `\`${option.flags}\``,
      help.optionDescription(option),
    ]);
    return [
      `## ${words}`,
      `${command.description()}.`,
      `    ${help.commandUsage(command)}`,
      args.length > 0 ? table(["argument", "meaning"], args) : "",
      options.length > 0 ? table(["option", "meaning"], options) : "",
      examples && `Examples:\n\n${examples.replaceAll(/^ */gm, "    ")}`,
    ];
  });
  return page(
    "# Commands",
    NOTE,
    `${top.description()}. Every command has \`--help\`; \`cardwire --version\` tells the release.`,
    "Results go to standard output, everything else to standard error. What `--json` prints is one object a line, and no field ever changes its meaning.",
    ...sections.flat(),
    "## Exit status",
    table(
      ["status", "meaning"],
      Object.entries(ExitCode).map(([name, status]) => [
        String(status),
        exitCodes[name as keyof typeof ExitCode],
      ]),
    ),
    "`run` ends as its program ends: with its exit status, or by the signal that ended it.",
    "## Environment",
    table(["variable", "meaning"], environment),
  );
}

/** Where cardwire itself answers with a code, and not pcscd. */
const ours: Readonly<Partial<Record<keyof typeof Rv, string>>> = {
  Cancelled: "The program called SCardCancel.",
  InvalidHandle:
    "There is no such context on this connection; SCardCancel: none of this user's programs has it.",
  InvalidValue:
    "The context belongs to another connection, or the scope of SCardEstablishContext is none.",
  NoMemory:
    "The context has 200 handles, pcscd takes no more connections (it has 200 for everybody), or 2,000 contexts are open on this attachment.",
  InsufficientBuffer: "The card or the reader did run the command; the answer was too long.",
  NotTransacted:
    "The connection broke while a command was under way. Nobody knows whether it was run, and it is not sent again.",
  ReaderUnavailable:
    "pcscd has been out of reach for 10 s, or came back without this reader. Try again later.",
  NoService: "The program's libpcsclite is older than protocol 4:2.",
  ServiceStopped:
    "The program's libpcsclite is newer than protocol 4:6: it is asked once to come down. A library from 2.4.1 on does so by itself.",
  ResetCard:
    "The connection to pcscd broke and came back; the reader shows the same card. SCardReconnect makes the handle good again.",
  RemovedCard:
    "The connection to pcscd broke and came back, and card or reader changed meanwhile. SCardReconnect makes the handle good again where a card is there.",
};

export function errorsPage(): string {
  const names = new Map<number, keyof typeof Rv>(
    Object.entries(Rv).map(([name, rv]) => [rv, name as keyof typeof Rv]),
  );
  const codes = Object.entries(returnCodes).map(([rv, [code, text]]) => {
    const name = names.get(Number(rv));
    const hex = `0x${Number(rv).toString(16).padStart(8, "0")}`;
    return [`\`${code}\``, `\`${hex}\``, text, (name && ours[name]) ?? ""];
  });
  return page(
    "# Errors",
    NOTE,
    "The command line prints an error as one line, `cardwire: what happened`, and mostly a second one, `hint: what to do`; `-v` adds the place in the code. In the library every error that is thrown on purpose is a `CardwireError` with a `code` and often a `hint`. Match on `code`: it never changes its meaning.",
    "## cardwire's own",
    table(
      ["code", "when"],
      Object.entries(errorCodes).map(([code, when]) => [`\`${code}\``, when]),
    ),
    "## PC/SC's return codes",
    "Programs get these from libpcsclite; in the library a `ReturnCodeError` has the name as `code` and the number as `rv`. Most come from pcscd and are passed on as they are. The last column says when cardwire itself answers so. A number that is not listed has the code `SCARD_UNKNOWN`.",
    table(["code", "number", "meaning", "when cardwire itself says so"], codes),
  );
}

export const pages: Readonly<Record<string, () => string>> = {
  "docs/cli.md": commandsPage,
  "docs/errors.md": errorsPage,
};

function main(args: readonly string[]): number {
  let stale = 0;
  for (const [path, make] of Object.entries(pages)) {
    const text = make();
    if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
    if (args.includes("--check")) {
      console.error(`${path} is out of date; run: npm run docs`);
      stale += 1;
    } else writeFileSync(path, text);
  }
  return stale === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  process.exitCode = main(process.argv.slice(2));
