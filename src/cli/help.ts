import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";

/** A command line to learn from, and what it is for where that is not plain. */
export type Example = string | readonly [line: string, purpose: string];

/** A command whose help begins with examples: most people look for the line that they can change to theirs. */
export class CommandWithExamples extends Command {
  readonly examples: readonly Example[];

  constructor(name: string, description: string, examples: readonly Example[]) {
    super(name);
    this.examples = examples;
    this.description(description)
      .configureHelp({ commandDescription: () => "" }) // stands above the examples
      .addHelpText(
        "before",
        `${description}.\n\nExamples:\n${exampleLines(examples).join("\n")}\n`,
      );
  }
}

/** The examples as a terminal shows them. */
export function exampleLines(examples: readonly Example[]): readonly string[] {
  const pairs = examples.map((one) => (typeof one === "string" ? ([one, ""] as const) : one));
  const width = Math.max(...pairs.map(([line]) => line.length));
  return pairs.map(
    ([line, purpose]) => `  $ ${purpose === "" ? line : `${line.padEnd(width)}   # ${purpose}`}`,
  );
}

/** Those of any command. Methods such as `argument()` give back the same object, but lose its type. */
export const examplesOf = (command: CommandUnknownOpts): readonly Example[] =>
  command instanceof CommandWithExamples ? command.examples : [];

/** Under which heading `cardwire --help` lists a command. Those that are named nowhere come last. */
const groups: Readonly<Record<string, readonly string[]>> = {
  "To see it work:": ["demo"],
  "Readers of another computer:": ["attach", "run", "lease", "env", "readers", "join", "leave"],
  "Readers of this computer:": [
    "share",
    "serve",
    "invite",
    "identities",
    "revoke",
    "kick",
    "policy",
    "card",
  ],
  "When something is in the way:": ["doctor", "status", "trace"],
  "Setting up:": ["config", "service", "completion", "uninstall"],
};

/** The heading that a command stands under. */
export const groupHeading = (command: CommandUnknownOpts): string => command.helpGroup();

/** Puts commands under headings, in the order of the headings. */
export function addInGroups(
  top: CommandUnknownOpts,
  commands: readonly CommandUnknownOpts[],
): void {
  const headings = Object.entries(groups);
  const rank = (command: CommandUnknownOpts): number => {
    const at = headings.findIndex(([, names]) => names.includes(command.name()));
    return at < 0 ? headings.length : at;
  };
  for (const command of commands.toSorted((a, b) => rank(a) - rank(b))) {
    top.addCommand(command);
    command.helpGroup(headings[rank(command)]?.[0] ?? "Other commands:");
  }
}

/** `command` and all commands below it, each behind those that lead to it. */
export function lineages(
  ancestors: readonly [CommandUnknownOpts, ...CommandUnknownOpts[]],
): (readonly [CommandUnknownOpts, ...CommandUnknownOpts[]])[] {
  const below = ancestors.at(-1)?.commands ?? [];
  return [ancestors, ...below.flatMap((command) => lineages([...ancestors, command]))];
}
