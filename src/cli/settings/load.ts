import { CardwireError } from "../../domain/errors.ts";
import { type ConfigFile, configPath, readConfigFile } from "../../host/config-file.ts";
import type { SettingTables } from "./keys.ts";
import type { Problem, Settings } from "./parse.ts";
import type { ServeSettings } from "./serve-settings.ts";

/** The settings file as it is now. */
export interface LoadedSettings extends Settings {
  readonly file: ConfigFile;
}

/**
 * Reads the settings file. Undefined when there is none; what is wrong with its text is in `problems`. The parser is
 * loaded only where there is a file.
 *
 * @throws {CardwireError} `E_CONFIG` when the file cannot be read.
 */
export async function loadSettings(tables: SettingTables): Promise<LoadedSettings | undefined> {
  const file = await readConfigFile(configPath());
  if (file === undefined) return undefined;
  const { parseSettings } = await import("./parse.ts");
  return { ...parseSettings(file.text, tables), file };
}

/** What `[serve]` says, and what is to be said of the file itself. */
export interface LoadedServeSettings extends ServeSettings {
  readonly warning: string | undefined;
}

/**
 * `[serve]` of the settings file as it is now; undefined when there is no file.
 *
 * @throws {CardwireError} `E_CONFIG` when it has a mistake, or the file cannot be read.
 */
export async function loadServeSettings(
  tables: SettingTables,
): Promise<LoadedServeSettings | undefined> {
  const settings = await loadSettings(tables);
  if (settings === undefined) return undefined;
  const { file, serve, problems } = settings;
  if (serve) return { ...serve, warning: file.warning };
  const ours = problems.filter(({ path: [top = "serve"] }) => top === "serve");
  throw configError(file.path, ours, "Mend these; 'cardwire config check' looks again.");
}

/** One line for each mistake, as compilers write it, so that editors find the place. */
export const problemLine = (path: string, { line, column, problem, remedy }: Problem): string =>
  `${path}:${line}:${column}: ${problem}${remedy === undefined ? "" : `; ${remedy}`}`;

/** The error that all of these mistakes make together. */
export function configError(path: string, problems: readonly Problem[], hint: string) {
  const lines = problems.map((problem) => problemLine(path, problem));
  const head = lines.length > 1 ? [`${lines.length} mistakes in the settings file`] : [];
  return new CardwireError("E_CONFIG", [...head, ...lines].join("\n"), { hint });
}
