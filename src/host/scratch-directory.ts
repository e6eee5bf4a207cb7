import { rm } from "node:fs/promises";
import { explainFileError } from "./file-errors.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "./owned-directory.ts";

/** A private directory for the time of one command. */
export interface ScratchDirectory {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** Makes one below `parent`, and removes those that commands of that kind left behind when they were killed. */
export async function makeScratchDirectory(
  parent: string,
  kind: string,
): Promise<ScratchDirectory> {
  await sweepOwnedDirectories(parent, kind);
  const path = await makeOwnedDirectory(parent, kind).catch((cause: unknown) => {
    throw explainFileError(cause, "this command's own directory", parent);
  });
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
