import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { exampleLines, examplesOf, groupHeading, lineages } from "../src/cli/help.ts";
import { ExitCode } from "../src/cli/io.ts";
import type { SettingKey } from "../src/cli/settings/keys.ts";
import { commandLine, environment, exitCodes } from "./reference.ts";
import * as roff from "./roff.ts";
import {
  kindText,
  serveRules,
  settingsExample,
  settingsIntroduction,
  settingsRules,
  tablesOf,
  targetText,
} from "./settings-page.ts";

// The manual pages, from the program itself: cardwire(1), one for each command, and cardwire-config(5).

interface Context {
  readonly top: CommandUnknownOpts;
  readonly version: string;
  readonly date: string;
}

const files: readonly (readonly [string, string])[] = [
  [
    "$XDG_RUNTIME_DIR/cardwire/NAME/pcscd.comm",
    "The socket of the attachment NAME; root's is in `/run/cardwire`.",
  ],
  [
    "~/.config/cardwire/config.toml, /etc/cardwire/config.toml",
    "The settings file; see cardwire-config(5).",
  ],
  ["~/.ssh/config", "ssh's own settings, which all apply; see ssh_config(5)."],
];

const fileName = (command: CommandUnknownOpts): string => `cardwire-${command.name()}`;

/** Every page by its file's name. */
export function manPages(context: Context): ReadonlyMap<string, string> {
  const { top } = context;
  return new Map([
    ["cardwire.1", topPage(context)],
    ...top.commands.map(
      (command) => [`${fileName(command)}.1`, commandPage(command, context)] as const,
    ),
    ["cardwire-config.5", settingsPage(context)],
  ]);
}

/** What package.json lists under `man`, so that npm installs it. */
export const manFiles = (): readonly string[] =>
  [...manPages({ top: commandLine(), version: "", date: "" }).keys()].map(
    (name) => `./dist/man/${name}`,
  );

function topPage({ top, version, date }: Context): string {
  const headings = [...new Set(top.commands.map(groupHeading))];
  const commands = headings.flatMap((heading) => [
    `.SS ${roff.literal(heading.replace(/:$/, ""))}`,
    roff.terms(
      top.commands
        .filter((one) => groupHeading(one) === heading)
        .map((one) => [`${roff.bold(fileName(one))}(1)`, sentence(one.description())]),
    ),
  ]);
  return roff.manPage({ name: "cardwire", section: 1, version, date }, [
    nameSection("cardwire", top.description()),
    roff.section("Synopsis", usage(top, "cardwire")),
    roff.section(
      "Description",
      roff.paragraphs([
        "cardwire makes the smart card readers of one Linux computer usable by every PC/SC program on others, over ssh, with no driver and no root. Nothing has to be installed where the readers are but pcscd and sshd.",
        "`cardwire COMMAND --help` tells about a command.",
      ]),
    ),
    roff.section("Commands", ...commands),
    roff.section("Options", optionTerms(top)),
    exitSection(),
    environmentSection(() => true),
    filesSection(),
    examplesSection([top]),
    seeAlso(top, top),
  ]);
}

/** A command that has commands of its own describes these as well. */
function commandPage(command: CommandUnknownOpts, { top, version, date }: Context): string {
  const leaves = lineages([top, command])
    .map((lineage) => ({
      one: lineage.at(-1) ?? command,
      words: lineage.map((word) => word.name()).join(" "),
    }))
    .filter(({ one }) => one.commands.length === 0);
  const usesSsh = leaves.some(({ one }) => one.options.some(({ long }) => long === "--ssh"));
  const details = leaves.flatMap(({ one, words }) => [
    ...(leaves.length > 1 ? [`.SS ${roff.literal(words)}`, sentence(one.description())] : []),
    argumentTerms(one),
    optionTerms(one),
  ]);
  return roff.manPage({ name: fileName(command), section: 1, version, date }, [
    nameSection(fileName(command), command.description()),
    roff.section("Synopsis", leaves.map(({ one, words }) => usage(one, words)).join("\n.br\n")),
    roff.section("Description", sentence(command.description())),
    roff.section("Options", ...details.filter(Boolean)),
    exitSection(command),
    environmentSection((name) => usesSsh || !name.includes("SSH")),
    filesSection(),
    examplesSection(leaves.map(({ one }) => one)),
    seeAlso(top, command),
  ]);
}

const settingTerm = (key: SettingKey) =>
  [`${roff.bold(key.name)} = ${kindText(key)}`, sentence(key.description)] as const;

function settingsPage({ top, version, date }: Context): string {
  const tables = tablesOf(top);
  const named = tables.named.flatMap((table) => [
    `.SS [${table.name}.NAME]`,
    roff.terms([
      [roff.bold(table.target.name), roff.prose(targetText(table))],
      ...table.keys.map(settingTerm),
    ]),
  ]);
  return roff.manPage({ name: "cardwire-config", section: 5, version, date }, [
    nameSection("cardwire-config", "settings of cardwire"),
    roff.section("Description", roff.paragraphs(settingsIntroduction)),
    roff.section(
      "Settings",
      roff.prose(
        "Keys are the names of the command's options. Those that are not listed belong to the command line only.",
      ),
      ...named,
      ".SS [serve]",
      roff.paragraphs(serveRules),
      roff.terms(tables.serve.map(settingTerm)),
    ),
    roff.section("Names", roff.paragraphs(settingsRules)),
    environmentSection((name) => /SSH|CONFIG/.test(name)),
    filesSection(),
    roff.section("Examples", roff.verbatim(settingsExample)),
    roff.section(
      "See also",
      "\\fBcardwire\\-config\\fP(1), \\fBcardwire\\fP(1), \\fBssh_config\\fP(5)",
    ),
  ]);
}

/** What apropos(1) and whatis(1) find. */
const nameSection = (name: string, description: string): string =>
  roff.section("Name", roff.folded(`${roff.literal(name)} \\- ${lowerFirst(description)}`));

const lowerFirst = (text: string): string =>
  roff.literal(text.charAt(0).toLowerCase() + text.slice(1));

/** What `--help` says in few words, as a sentence. */
const sentence = (text: string): string =>
  roff.prose(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`);

/** `cardwire attach [options] <where>` with what is typed as it is in bold, and what it stands for in italics. */
function usage(command: CommandUnknownOpts, words: string): string {
  const rest = command.usage();
  return [`.B ${roff.literal(words)}`, roff.placeholders(rest)].filter(Boolean).join("\n");
}

function argumentTerms(command: CommandUnknownOpts): string {
  const help = command.createHelp();
  return roff.terms(
    help
      .visibleArguments(command)
      .map((one) => [roff.italic(help.argumentTerm(one)), sentence(help.argumentDescription(one))]),
  );
}

function optionTerms(command: CommandUnknownOpts): string {
  const help = command.createHelp();
  return roff.terms(
    help
      .visibleOptions(command)
      .map((one) => [roff.flags(help.optionTerm(one)), sentence(help.optionDescription(one))]),
  );
}

/** @param command of which the page is; sentences that name another one are left out. */
function exitSection(command?: CommandUnknownOpts): string {
  const concerns = (text: string): boolean => {
    const [, named] = /^`([a-z]+)`/.exec(text) ?? [];
    return !command || named === undefined || named === command.name();
  };
  const statuses = Object.entries(ExitCode).map(([name, status]) => {
    const text = exitCodes[name as keyof typeof ExitCode];
    return [
      status,
      text
        .split(/(?<=\.) /)
        .filter(concerns)
        .join(" "),
    ] as const;
  });
  return roff.section(
    "Exit status",
    roff.terms(
      statuses
        .filter(([, text]) => text !== "")
        .map(([status, text]) => [roff.bold(String(status)), roff.prose(text)]),
    ),
  );
}

const environmentSection = (wanted: (name: string) => boolean): string =>
  roff.section(
    "Environment",
    roff.terms(
      environment
        .filter(([name = ""]) => wanted(name))
        .map(([name = "", text = ""]) => [roff.bold(name.replaceAll("`", "")), roff.prose(text)]),
    ),
  );

const filesSection = (): string =>
  roff.section(
    "Files",
    roff.terms(files.map(([path, text]) => [roff.italic(path), roff.prose(text)])),
  );

function examplesSection(commands: readonly CommandUnknownOpts[]): string {
  const lines = commands.flatMap((one) => exampleLines(examplesOf(one)));
  return lines.length > 0
    ? roff.section("Examples", roff.verbatim(lines.map((line) => line.trim())))
    : "";
}

function seeAlso(top: CommandUnknownOpts, self: CommandUnknownOpts): string {
  const own = [top, ...top.commands]
    .filter((one) => one !== self)
    .map((one) => `${roff.bold(one === top ? "cardwire" : fileName(one))}(1)`);
  const others = [
    ["cardwire-config", 5],
    ["ssh", 1],
    ["ssh_config", 5],
    ["pcscd", 8],
  ] as const;
  const list = [...own, ...others.map(([name, number]) => `${roff.bold(name)}(${number})`)];
  return roff.section("See also", list.join(",\n"));
}

/** Writes the pages into a folder. Dated by SOURCE_DATE_EPOCH, if it is set, for builds that can be repeated. */
export function writeManPages(folder: string): void {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const epoch = process.env["SOURCE_DATE_EPOCH"];
  const now = epoch === undefined ? new Date() : new Date(Number(epoch) * 1000);
  const date = now.toISOString().slice(0, 10);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of manPages({ top: commandLine(), version, date }))
    writeFileSync(join(folder, name), text);
}
