import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { exampleLines, examplesOf } from "../src/cli/help.ts";
import { ExitCode } from "../src/cli/io.ts";
import { errorCodes } from "../src/domain/error-codes.ts";
import { Rv, returnCodes } from "../src/domain/return-codes.ts";
import { doctorPage } from "./doctor-page.ts";
import { manFiles } from "./man.ts";
import { NOTE, page, table } from "./markdown.ts";
import { commandLine, environment, everyCommand, exitCodes } from "./reference.ts";
import {
  kindText,
  serveRules,
  settingsExample,
  settingsIntroduction,
  settingsRules,
  tablesOf,
  targetText,
} from "./settings-page.ts";

// Writes docs/cli.md, docs/doctor.md, docs/errors.md, docs/settings.md and package.json's list of manual pages from the
// objects that the program runs on. With --check it writes nothing and fails when a page is not what it would write.

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
  SecurityViolation:
    "The identity may not have the card, send this control code, set this attribute, or use a raw protocol: see [policy.md](policy.md).",
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

export function settingsDocument(): string {
  const tables = tablesOf(commandLine());
  const named = tables.named.flatMap((one) => [
    `## [${one.name}.NAME]`,
    table(
      ["setting", "value", "meaning"],
      [
        [`\`${one.target.name}\``, "", targetText(one)],
        ...one.keys.map((key) => [`\`${key.name}\``, kindText(key), key.description]),
      ],
    ),
  ]);
  return page(
    "# Settings",
    NOTE,
    ...settingsIntroduction,
    ["```toml", ...settingsExample, "```"].join("\n"),
    "Keys are the names of the command's options, so each is explained in [cli.md](cli.md) too. Options about one call (`--json`, `-v`) belong to the command line only.",
    ...named,
    "## [serve]",
    ...serveRules,
    table(
      ["setting", "value", "meaning"],
      tables.serve.map((key) => [`\`${key.name}\``, kindText(key), key.description]),
    ),
    "## Names",
    ...settingsRules,
  );
}

/** package.json as it is, but for the manual pages that npm is to install. */
export function manifest(): string {
  const now = JSON.parse(readFileSync("package.json", "utf8")) as Record<string, unknown>;
  return `${JSON.stringify({ ...now, man: manFiles() }, undefined, 2)}\n`;
}

export const pages: Readonly<Record<string, () => string>> = {
  "docs/cli.md": commandsPage,
  "docs/doctor.md": doctorPage,
  "docs/errors.md": errorsPage,
  "docs/settings.md": settingsDocument,
  "package.json": manifest,
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
