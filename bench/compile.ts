import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { publicDirectory } from "../test/lab/processes.ts";
import { run } from "../test/lab/programs.ts";

/** Compiles a C program of this folder, for every user to run. Gives its path. */
export async function compile(name: string, flags: readonly string[] = []): Promise<string> {
  const program = join(await publicDirectory(name), name);
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const { status, stderr } = await run("cc", ["-O2", "-Wall", "-o", program, source, ...flags]);
  if (status !== 0) throw new Error(`bench wants gcc, libc6-dev and libpcsclite-dev:\n${stderr}`);
  return program;
}
