/** Text that no shell gives a meaning to. (zsh puts the path of a program in the place of `=program`.) */
export const isPlainInShells = (text: string): boolean => /^[A-Za-z0-9_./:@%+,-]+$/.test(text);

/** A value that a POSIX shell reads back as it is. */
export const shellWord = (text: string): string =>
  isPlainInShells(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
