import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Io } from "../io.ts";
import type { SettingTables } from "./keys.ts";
import { loadServeSettings } from "./load.ts";
import { setOptions } from "./named.ts";
import { isLimit, isReaders, NO_SERVE_SETTINGS, type ServeSettings } from "./serve-settings.ts";

/**
 * Gives `cardwire serve` what `[serve]` says, just before it is carried out: each option that was given neither on the
 * command line nor by a variable.
 *
 * @throws {CardwireError} `E_CONFIG` when `[serve]` has a mistake.
 */
export async function applyServe(
  command: CommandUnknownOpts,
  { io, tables }: { io: Io; tables: () => SettingTables },
): Promise<void> {
  if (command.name() !== "serve" || command.parent?.parent) return;
  const settings = await loadServeSettings(tables());
  if (settings === undefined) return;
  if (settings.warning !== undefined) io.err(settings.warning);
  setOptions(command, settings.options);
}

/** What was given to `command` itself, not by the settings file. */
export function givenOptions<T extends object>(command: CommandUnknownOpts, flags: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(flags).filter(([attribute]) => isGiven(command, attribute)),
  ) as Partial<T>;
}

/** Whether an option was given on the command line, or by a variable. */
export const isGiven = (command: CommandUnknownOpts, attribute: string): boolean =>
  ["cli", "env"].includes(command.getOptionValueSource(attribute) ?? "");

/** The settings file, for a `cardwire serve` that runs. */
export interface LiveSettings {
  /** `[serve]` as the file has it now. @throws {CardwireError} `E_CONFIG` */
  readonly load: () => Promise<ServeSettings>;
  /** Settings that take another start of it, by the place where commander keeps the option. */
  readonly fixed: ReadonlyMap<string, string>;
}

/** @param given on the command line: the file does not change these. */
export const liveSettings = (tables: SettingTables, given: object): LiveSettings => ({
  load: async () => (await loadServeSettings(tables)) ?? NO_SERVE_SETTINGS,
  fixed: new Map(
    tables.serve
      .filter((key) => !isLimit(key) && !isReaders(key) && !(key.attribute in given))
      .map(({ attribute, name }) => [attribute, name]),
  ),
});
