// Text of a manual page in man(7)'s language, one request or sentence a line, as mandoc's and groff's checks want it.

/** Bytes of a line of text; mandoc finds fault with more than 80. */
const WIDTH = 76;

/** Text that roff prints as it is. A minus stays one that can be copied into a shell. */
export const literal = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^(?=[.'])/gm, "\\&");

export const bold = (text: string): string => `\\fB${literal(text)}\\fP`;
export const italic = (text: string): string => `\\fI${literal(text)}\\fP`;

/** Usage: what stands for something else in italics. */
export const placeholders = (text: string): string =>
  literal(text).replaceAll(/<([^>]*)>/g, "\\fI$1\\fP");

/** `-v, --name <name>` */
export const flags = (text: string): string =>
  text
    .split(/(, | )/)
    .map((part) => (part.startsWith("-") ? bold(part) : placeholders(part)))
    .join("");

/** Running text; what stands between backquotes is bold, as in the pages of docs/. */
export const prose = (text: string): string =>
  sentences(
    text
      .split("`")
      .map((part, index) => (index % 2 === 1 ? bold(part) : literal(part)))
      .join(""),
  );

/** Each sentence begins a line, and long ones are folded at blanks. */
const sentences = (text: string): string =>
  text
    .split(/(?<=[.!?:;])\s+/)
    .flatMap(fold)
    .map((line) => line.replace(/^(?=[.'])/, "\\&"))
    .join("\n");

/** Text that is roff already, folded at blanks. */
export const folded = (text: string): string => fold(text).join("\n");

function fold(text: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && Buffer.byteLength(`${line} ${word}`) > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

export const section = (title: string, ...body: readonly string[]): string =>
  body.length > 0 ? [`.SH ${title.toUpperCase()}`, ...body].join("\n") : "";

/** Terms, each with a text below it. Both are in roff already. */
export const terms = (list: readonly (readonly [term: string, text: string])[]): string =>
  list.map(([term, text]) => `.TP\n${term}\n${text}`).join("\n");

export const paragraphs = (texts: readonly string[]): string => texts.map(prose).join("\n.PP\n");

/** Lines as they are. */
export const verbatim = (lines: readonly string[]): string =>
  [
    ".RS 4",
    ".nf",
    ...lines.map((line) => (line === "" ? "\\&" : literal(line))),
    ".fi",
    ".RE",
  ].join("\n");

export interface PageHead {
  readonly name: string;
  readonly section: 1 | 5;
  /** Of the program. */
  readonly version: string;
  /** `2026-11-24` */
  readonly date: string;
}

/** A whole page. */
export const manPage = (
  { name, section: number, version, date }: PageHead,
  sections: readonly string[],
): string =>
  [
    `.TH ${name.toUpperCase()} ${number} ${date} "cardwire ${version}" "cardwire"`,
    ".nh",
    ".ad l",
    ...sections.filter(Boolean),
    "",
  ].join("\n");
