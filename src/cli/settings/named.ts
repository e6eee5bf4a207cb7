import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Io } from "../io.ts";
import { wrongUsage } from "../options.ts";
import type { SettingTables } from "./keys.ts";
import { configError, loadSettings } from "./load.ts";
import type { Named } from "./parse.ts";

/** Commands whose one WHERE may be a name from the settings file, and the table that it is looked up in. */
const lookups: Readonly<Record<string, string>> = {
  attach: "attach",
  run: "attach",
  readers: "attach",
  doctor: "attach",
  share: "share",
};

/** The table in which a command looks its WHERE up, if it does. */
export const lookupTable = (command: CommandUnknownOpts): string | undefined =>
  command.parent?.parent ? undefined : lookups[command.name()];

/**
 * Puts what the settings file says in the place of a name, just before a command is carried out: its WHERE becomes the
 * name's, and each option that was given neither on the command line nor by a variable becomes the name's, where the
 * command has that option. Anything but a bare name (`user@host`, `ssh://name`, `unix:PATH`) is left alone, and then
 * the file is not even read.
 *
 * @throws {CardwireError} `E_CONFIG` when nobody can tell what the name stands for, or it has a mistake.
 */
export async function applyNamed(
  command: CommandUnknownOpts,
  { io, tables }: { io: Io; tables: () => SettingTables },
): Promise<void> {
  const table = lookupTable(command);
  const name = onlyName(command.processedArgs);
  if (table === undefined || name === undefined) return;
  const found = await lookUp(name, table, { io, tables: tables() });
  if (found === undefined) return;
  setTarget(command, name, found);
  // Others find the attachment under its name; a share is called after this computer, over there.
  const options = command.name() === "attach" ? { name, ...found.options } : found.options;
  setOptions(command, options);
}

/** Each option that was given neither on the command line nor by a variable becomes the file's. */
export function setOptions(
  command: CommandUnknownOpts,
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [attribute, value] of Object.entries(options)) {
    const source = command.getOptionValueSource(attribute);
    const has = command.options.some((option) => option.attributeName() === attribute);
    if (has && (source === undefined || source === "default"))
      command.setOptionValueWithSource(attribute, value, "config");
  }
}

/** The only WHERE, if it could be a name. */
function onlyName(args: readonly unknown[]): string | undefined {
  const [only, ...others] = args.flat().filter((one) => one !== undefined);
  const isName = typeof only === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(only);
  return isName && others.length === 0 ? only : undefined;
}

async function lookUp(
  name: string,
  table: string,
  { io, tables }: { io: Io; tables: SettingTables },
): Promise<Named | undefined> {
  const settings = await loadSettings(tables);
  if (settings === undefined) return undefined;
  const { file, problems, isUnreadable } = settings;
  const own = problems.filter(
    ({ path: [top, key = name] }) => isUnreadable || (top === table && key === name),
  );
  if (own.length > 0)
    throw configError(
      file.path,
      own,
      `Mend the file and look with 'cardwire config check'. A host called ${name} is ssh://${name}.`,
    );
  const found = settings.tables[table]?.get(name);
  if (found && file.warning !== undefined) io.err(file.warning);
  return found;
}

function setTarget(command: CommandUnknownOpts, name: string, { targets }: Named): void {
  const [argument] = command.registeredArguments;
  const args = command.processedArgs;
  if (argument?.variadic) args[0] = targets;
  else if (targets.length === 1) args[0] = targets[0];
  else
    throw wrongUsage(
      `${name} stands for ${targets.length} hosts, and ${command.name()} takes one`,
      `Name one of them: ${targets.join(", ")}.`,
    );
}
