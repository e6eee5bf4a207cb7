import { styleText } from "node:util";
import type { Io } from "./io.ts";

/** Text for a person: each gives back what it got, in that colour or weight, or as it is where colour is not wanted. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

/**
 * Whether colour is wanted: only on a terminal that can show it, never where NO_COLOR has a value
 * (https://no-color.org), never in `--json`.
 */
export function wantsColour(
  { env, isTerminal }: Pick<Io, "env" | "isTerminal">,
  { json = false, to = "out" }: { json?: boolean | undefined; to?: "out" | "err" } = {},
): boolean {
  return !json && isTerminal?.[to] === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}

/**
 * How a command may dress what it prints.
 *
 * @param options.to where the text goes: standard output unless told.
 */
export function styled(
  io: Pick<Io, "env" | "isTerminal">,
  options: { json?: boolean | undefined; to?: "out" | "err" } = {},
): Style {
  const coloured = wantsColour(io, options);
  const dress = (format: keyof Style) => (text: string) =>
    // We have looked at the right stream already; styleText would look at standard output alone.
    coloured ? styleText(format, text, { validateStream: false }) : text;
  return {
    bold: dress("bold"),
    dim: dress("dim"),
    red: dress("red"),
    green: dress("green"),
    yellow: dress("yellow"),
  };
}
