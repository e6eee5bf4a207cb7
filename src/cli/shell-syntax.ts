import { CardwireError } from "../domain/errors.ts";
import { isPlainInShells, shellWord } from "../domain/shell-word.ts";

/** Shells that differ in how a variable is set. sh stands for bash, dash, ksh, zsh and all others like it. */
export const shells = ["sh", "fish", "csh"] as const;
export type Shell = (typeof shells)[number];

const writers: Readonly<Record<Shell, (name: string, value: string) => string>> = {
  sh: (name, value) => `export ${name}=${shellWord(value)}`,
  fish: (name, value) => `set -gx ${name} ${fishWord(value)}`,
  csh: (name, value) => `setenv ${name} ${cshWord(value)}`,
};

/**
 * The line that sets a variable in that shell and shows it to programs.
 *
 * @throws {CardwireError} `E_SHELL` when the shell cannot write this value.
 */
export const setVariable = (shell: Shell, name: string, value: string): string =>
  writers[shell](name, value);

/** Between single quotation marks fish gives a meaning to `\` and `'` alone. */
const fishWord = (text: string): string =>
  isPlainInShells(text) ? text : `'${text.replaceAll(/['\\]/g, "\\$&")}'`;

/** Each character by itself, not quotation marks around all: csh gives `!` a meaning between these, too. */
function cshWord(text: string): string {
  if (/\p{Cc}/u.test(text))
    throw new CardwireError("E_SHELL", "csh cannot be told of a path with control characters", {
      hint: "Attach with another --socket.",
    });
  return text.replaceAll(/[^A-Za-z0-9_./:@%+,\u0080-\u{10ffff}-]/gu, "\\$&");
}
