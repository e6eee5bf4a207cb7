import { CardwireError } from "../../domain/errors.ts";
import { configPath } from "../../host/config-file.ts";
import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";
import { printable } from "../report.ts";
import type { SettingTables } from "../settings/keys.ts";
import { configError, type LoadedSettings, loadSettings } from "../settings/load.ts";
import type { ServeSettings } from "../settings/serve-settings.ts";
import { table } from "../table.ts";

export const configCommand = (io: Io, tables: () => SettingTables) =>
  subcommand("config", "Look at the settings file", ["cardwire config check"])
    .addCommand(checkCommand(io, tables))
    .addCommand(pathCommand(io));

const pathCommand = (io: Io) =>
  subcommand("path", "Print where the settings file is, or would be", [
    "cardwire config path",
  ]).action(() => io.out(configPath()));

const checkCommand = (io: Io, tables: () => SettingTables) =>
  subcommand("check", "Check the settings file, and tell what it defines", [
    "cardwire config check",
    "cardwire config check --json",
  ])
    .option("--json", "one JSON object")
    .action(async ({ json }) => {
      const settings = await loadSettings(tables());
      if (json) io.out(JSON.stringify(report(settings)));
      if (settings === undefined) {
        if (!json) io.err(`no settings file at ${configPath()}; nothing needs one`);
        return;
      }
      const { file, problems } = settings;
      if (!json && file.warning !== undefined) io.err(file.warning);
      if (problems.length > 0)
        throw json
          ? new CardwireError("E_CONFIG", "the settings file has mistakes")
          : configError(file.path, problems, "Mend these; 'cardwire config check' looks again.");
      if (!json) io.out([file.path, ...definedText(settings)].join("\n"));
    });

/** What is defined, a line each. */
function definedText({ tables, serve }: LoadedSettings): readonly string[] {
  const rows = Object.entries(tables).flatMap(([command, names]) =>
    [...names].map(([name, { targets }]) => [
      `  cardwire ${command} ${name}`,
      printable(targets.join(" ")),
    ]),
  );
  const parts = serve ? servedText(serve) : [];
  if (parts.length > 0) rows.push(["  cardwire serve", parts.join(", ")]);
  return rows.length > 0 ? [table([], rows)] : ["  defines nothing"];
}

/** How much is said of `cardwire serve`. */
const servedText = ({ options, rules, limits, readers }: ServeSettings): readonly string[] =>
  [
    { count: Object.keys(options).length, one: "option" },
    { count: rules.rules.length, one: "rule" },
    { count: limits.length, one: "table of limits", several: "tables of limits" },
    { count: readers.length, one: "table of readers", several: "tables of readers" },
  ]
    .filter(({ count }) => count > 0)
    .map(({ count, one, several = `${one}s` }) => `${count} ${count === 1 ? one : several}`);

function report(settings: LoadedSettings | undefined) {
  const { file, problems = [], tables = {} } = settings ?? {};
  return {
    file: file?.path ?? configPath(),
    exists: file !== undefined,
    ok: problems.length === 0,
    warning: file?.warning,
    problems,
    rules: settings?.serve?.rules.rules.length ?? 0,
    limits: settings?.serve?.limits.length ?? 0,
    readers: settings?.serve?.readers.length ?? 0,
    options: Object.keys(settings?.serve?.options ?? {}).length,
    defined: Object.entries(tables).flatMap(([command, names]) =>
      [...names].map(([name, { targets }]) => ({ command, name, targets })),
    ),
  };
}
