/** What stands on top of a page that is made from code. */
export const NOTE = "<!-- Made by `npm run docs`. Change the sources, not this file. -->";

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** A table; a cell is one line. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Paragraphs; those without text are left out. */
export const page = (...parts: readonly string[]): string =>
  `${parts.filter(Boolean).join("\n\n")}\n`;
