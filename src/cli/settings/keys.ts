import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

/** What kind of value a setting has. */
export type SettingKind = "flag" | "text" | "number" | "list";

/** One setting, made from the option that it stands for. */
export interface SettingKey {
  /** As the file has it. */
  readonly name: string;
  readonly kind: SettingKind;
  /** What its value is called, as in `--help`; for those that have one. */
  readonly placeholder: string | undefined;
  readonly choices: readonly string[] | undefined;
  readonly description: string;
  /** Where commander keeps the option's value. */
  readonly attribute: string;
  /** A path on this computer. */
  readonly isLocalPath: boolean;
  /** What a list begins with. */
  readonly initial: unknown;
  /** What commander would make of the text; throws its InvalidArgumentError. */
  readonly parse: ((text: string, previous: unknown) => unknown) | undefined;
}

/** Settings of one kind, `[attach.NAME]` or `[share.NAME]`: what to call with NAME, and how. */
export interface SettingTable {
  readonly name: string;
  /** The setting that stands for the command's argument. */
  readonly target: { readonly name: string; readonly isList: boolean };
  readonly keys: readonly SettingKey[];
}

/** Everything that the settings file may say. */
export interface SettingTables {
  readonly named: readonly SettingTable[];
  /** Of `[serve]`, which has no name: there is one on a computer. */
  readonly serve: readonly SettingKey[];
}

/** Commands that have named settings, and what their argument is called there. */
const targets: Readonly<Record<string, { readonly name: string; readonly isList: boolean }>> = {
  attach: { name: "where", isList: true },
  share: { name: "to", isList: false },
};

/** Names of options that read better in a file. */
const renamed: Readonly<Record<string, string>> = { reader: "readers" };

/** Options about one call, which nobody wants for good. */
const left = new Set(["json", "verbose", "help", "invite", "expires"]);

/** The settings that there are, from the options of the very commands that they are for. */
export const settingTables = (commands: readonly CommandUnknownOpts[]): SettingTables => ({
  named: commands.flatMap((command) => {
    const target = targets[command.name()];
    return target === undefined ? [] : [{ name: command.name(), target, keys: keysOf(command) }];
  }),
  serve: commands.filter((command) => command.name() === "serve").flatMap(keysOf),
});

const keysOf = (command: CommandUnknownOpts): readonly SettingKey[] =>
  command.options
    .map((option) => keyOf(option, command.name()))
    .filter(({ attribute }) => !left.has(attribute));

/** The option's place among settings: `--no-pipelining` is `pipelining`. */
function keyOf(option: Option, command: string): SettingKey {
  const name = option.negate ? option.name().replace(/^no-/, "") : option.name();
  const placeholder = /<([^>.]*)(?:\.\.\.)?>/.exec(option.flags)?.[1];
  return {
    name: renamed[name] ?? name,
    kind: kindOf(option),
    placeholder,
    // A share's socket is on the other computer; the record may go elsewhere than into a file.
    isLocalPath:
      /^(?:path|file)$/.test(placeholder ?? "") && command !== "share" && name !== "audit",
    choices: option.argChoices,
    description: option.negate ? `false: ${option.description}` : option.description,
    attribute: option.attributeName(),
    initial: option.defaultValue,
    parse: option.parseArg,
  };
}

/** Whether the option may stand on a command line more than once. */
export const isRepeatable = ({ variadic, description }: Option): boolean =>
  variadic || description.endsWith("(repeatable)");

function kindOf(option: Option): SettingKind {
  if (!option.required) return "flag";
  if (isRepeatable(option)) return "list";
  return /<(?:number|seconds|port|count|place)>/.test(option.flags) ? "number" : "text";
}
