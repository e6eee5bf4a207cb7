import { rm } from "node:fs/promises";
import { join } from "node:path";
import { publicDirectory } from "../lab/processes.ts";
import { run } from "../lab/programs.ts";
import { here } from "./sources.ts";

/** C programs of this folder, compiled. Disposing deletes them. */
export interface Compiled extends AsyncDisposable {
  /** The path of a program, by its name. */
  readonly path: (name: string) => string;
}

const FLAGS = ["-Wall", "-Wextra", "-Werror", "-O1", "-pthread", "-I/usr/include/PCSC"];

/** @throws {Error} with what the compiler says. */
export async function compile(...names: readonly string[]): Promise<Compiled> {
  const directory = await publicDirectory("compiled");
  const dispose = () => rm(directory, { recursive: true, force: true });
  for (const name of names) {
    const argv = [...FLAGS, "-o", join(directory, name), here(`${name}.c`), "-lpcsclite"];
    const done = await run("cc", argv);
    if (done.status === 0) continue;
    await dispose();
    throw new Error(done.stderr);
  }
  return { path: (name) => join(directory, name), [Symbol.asyncDispose]: dispose };
}
