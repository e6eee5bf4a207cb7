import { type Program, type ProgramOptions, start } from "./programs.ts";

/** Runs a program in a pseudo-terminal of its own: what is written to it is typed, its output is what the terminal shows. */
export const startInTerminal = (
  argv: readonly string[],
  { env, ...options }: ProgramOptions = {},
): Program =>
  // script(1) makes the terminal; `-c` takes a shell's command line.
  start("script", ["-qfec", argv.map(quoted).join(" "), "/dev/null"], {
    ...options,
    env: { TERM: "dumb", SHELL: "/bin/sh", ...env },
  });

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
