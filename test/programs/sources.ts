import { fileURLToPath } from "node:url";
import type { Argv } from "../lab/programs.ts";
import { here as installed, type Programs } from "../pcsc/client.ts";

/** A file of this folder. */
export const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Bytecode would be written where root runs the tests; the buffers of a pipe would hold the output back. */
const PYTHON = ["-B", "-u"];

/** The command line of a Python program of this folder, by `programs`' Python: this computer's unless told. */
export const python = (
  file: string,
  args: readonly string[] = [],
  programs: Programs = installed,
): Argv => programs.program("python3", [...PYTHON, here(file), ...args]);
