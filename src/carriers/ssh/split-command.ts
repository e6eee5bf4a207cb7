import { CardwireError } from "../../domain/errors.ts";

/**
 * Splits a command line into words, as a POSIX shell would with quotes and backslashes, and does nothing else of what
 * a shell does: no variables, patterns, substitutions or operators.
 *
 * @throws {CardwireError} `E_SSH_COMMAND` when a quote or backslash is left open, or there is no word at all.
 */
export function splitCommand(line: string): readonly [program: string, ...args: string[]] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < line.length; at += 1) {
    const c = line.charAt(at);
    const next = line.charAt(at + 1);
    if (quote === "'") {
      if (c === quote) quote = "";
      else word += c;
    } else if (c === "\\") {
      if (next === "") throw unfinished(line, "a backslash");
      // Inside double quotes a backslash is itself, unless it stands before one of these.
      word = (word ?? "") + (quote === '"' && !'"\\$`'.includes(next) ? c + next : next);
      at += 1;
    } else if (quote === '"') {
      if (c === quote) quote = "";
      else word += c;
    } else if (c === "'" || c === '"') {
      quote = c;
      word ??= ""; // "" is a word
    } else if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + c;
    }
  }
  if (quote !== "") throw unfinished(line, "a quotation mark");
  if (word !== undefined) words.push(word);
  const [program, ...args] = words;
  if (program === undefined || program === "") throw unfinished(line, "the program");
  return [program, ...args];
}

function unfinished(line: string, what: string): CardwireError {
  return new CardwireError("E_SSH_COMMAND", `${what} is unfinished in the ssh command: ${line}`, {
    hint: "Write it as in a shell, for example: --ssh 'ssh -F \"my file\"'.",
  });
}
