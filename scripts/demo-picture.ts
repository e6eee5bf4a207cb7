import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

// Runs `cardwire demo` at a terminal, and draws what it printed there as docs/demo.svg: npm run picture.

/** A character's cell, and the font's size, px. */
const CELL = { width: 8.4, height: 19, font: 14 } as const;
const COLUMNS = 80;
const MARGIN = 16;
/** The demo's last line but the prompt. */
const LAST = /authorized_keys/;

const colours = { text: "#d8dee9", dim: "#8b95a7", bold: "#ffffff", green: "#8fd18a" } as const;
type Look = keyof typeof colours;

/** Which look a terminal's SGR code begins (ECMA-48, 8.3.117); those that end one go back to plain text. */
const looks: Readonly<Record<string, Look>> = { "1": "bold", "2": "dim", "32": "green" };

/** What a terminal shows of the demo, line by line, with its escape sequences. */
async function lines(): Promise<readonly string[]> {
  const command = "stty cols 80; exec node dist/cli/main.js demo";
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, TERM: "xterm", NO_COLOR: "" },
  });
  const shown: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    shown.push(line.trimEnd());
    if (LAST.test(line)) child.kill("SIGINT");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  if (!shown.some((line) => LAST.test(line))) throw new Error(`it printed:\n${shown.join("\n")}`);
  return shown.slice(0, shown.findIndex((line) => LAST.test(line)) + 1);
}

/** The pieces of a line that look the same. */
function pieces(line: string): readonly { readonly text: string; readonly look: Look }[] {
  const found: { text: string; look: Look }[] = [];
  let look: Look = "text";
  const [before = "", ...dressed] = line.split("\x1b[");
  if (before !== "") found.push({ text: before, look });
  for (const part of dressed) {
    const [, code = "", text = ""] = /^([\d;]*)m(.*)$/.exec(part) ?? [];
    look = looks[code] ?? "text";
    if (text !== "") found.push({ text, look });
  }
  return found;
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function svgLine(line: string, row: number): string {
  let column = 0;
  const spans = pieces(line).map(({ text, look }) => {
    const words = text.trim();
    const start = column + text.length - text.trimStart().length;
    column += text.length;
    if (words === "") return "";
    const weight = look === "bold" ? ' font-weight="bold"' : "";
    // Each has its place and its length, so that columns stay straight in any font.
    const x = (MARGIN + start * CELL.width).toFixed(1);
    const length = `textLength="${(words.length * CELL.width).toFixed(1)}" lengthAdjust="spacingAndGlyphs"`;
    return `<tspan x="${x}" ${length} fill="${colours[look]}"${weight}>${escape(words)}</tspan>`;
  });
  return `<text y="${MARGIN + (row + 1) * CELL.height}">${spans.join("")}</text>`;
}

const shown = ["$ cardwire demo", ...(await lines())];
const width = Math.ceil(2 * MARGIN + COLUMNS * CELL.width);
const height = 2 * MARGIN + (shown.length + 1) * CELL.height;
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="${CELL.font}">
<title>cardwire demo: a PIV card made of software, used by OpenSC through cardwire's socket</title>
<rect width="${width}" height="${height}" rx="8" fill="#1d232f"/>
${shown.map(svgLine).join("\n")}
</svg>
`;
writeFileSync("docs/demo.svg", svg);
