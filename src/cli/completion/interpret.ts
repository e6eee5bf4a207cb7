import type { Argument, CommandUnknownOpts, Option } from "@commander-js/extra-typings";

/** What may stand at the cursor. */
export type Wanted =
  | { readonly kind: "command" }
  | { readonly kind: "option" }
  /** `prefix` is what stands before the value in the same word: `--mode=`, or nothing. */
  | { readonly kind: "value"; readonly option: Option; readonly prefix: string }
  | { readonly kind: "argument"; readonly argument: Argument }
  /** A command line of another program, from that word on. */
  | { readonly kind: "program"; readonly from: number }
  | { readonly kind: "nothing" };

/** A command line that is being typed. */
export interface Line {
  readonly command: CommandUnknownOpts;
  /** Options before the cursor, by their place in commander, with their values. */
  readonly options: ReadonlyMap<string, string | undefined>;
  readonly positional: readonly string[];
  /** The beginning of the word at the cursor. */
  readonly current: string;
  readonly wanted: Wanted;
}

/** @param words what stands behind `cardwire`; the last one is the word at the cursor, perhaps empty. */
export function interpret(top: CommandUnknownOpts, words: readonly string[]): Line {
  const current = words.at(-1) ?? "";
  const options = new Map<string, string | undefined>();
  const positional: string[] = [];
  let command = top;
  let isOver = false;
  const line = (wanted: Wanted): Line => ({ command, options, positional, current, wanted });

  for (let at = 0; at < words.length - 1; at += 1) {
    const word = words[at] ?? "";
    if (word === "--" && !isOver) {
      if (["run", "lease"].includes(command.name())) return line({ kind: "program", from: at + 1 });
      isOver = true;
    } else if (!isOver && word.startsWith("-") && word !== "-") {
      const { option, value } = optionIn(command, word);
      const takesNext = option?.required === true && value === undefined;
      if (takesNext && at + 2 === words.length) return line({ kind: "value", option, prefix: "" });
      if (takesNext) at += 1;
      if (option) options.set(option.attributeName(), takesNext ? words[at] : value);
    } else {
      const below = positional.length === 0 && command.commands.find((one) => one.name() === word);
      if (below) command = below;
      else positional.push(word);
    }
  }
  if (!isOver && current.startsWith("-")) {
    const { option, value } = optionIn(command, current);
    if (option?.required && value !== undefined)
      return line({
        kind: "value",
        option,
        prefix: current.slice(0, current.length - value.length),
      });
    return line({ kind: "option" });
  }
  if (command.commands.length > 0)
    return line({ kind: positional.length > 0 ? "nothing" : "command" });
  const last = command.registeredArguments.at(-1);
  const argument =
    command.registeredArguments[positional.length] ?? (last?.variadic ? last : undefined);
  return line(argument ? { kind: "argument", argument } : { kind: "nothing" });
}

function optionIn(
  command: CommandUnknownOpts,
  word: string,
): { readonly option: Option | undefined; readonly value: string | undefined } {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  const flag = at < 0 ? word : word.slice(0, at);
  const option = command.options.find(({ long, short }) => long === flag || short === flag);
  return { option, value: at < 0 ? undefined : word.slice(at + 1) };
}
