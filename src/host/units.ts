import { lstat, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";
import { explainFileError } from "./file-errors.ts";
import { type Person, thisPerson } from "./paths.ts";
import type { Scope } from "./systemctl.ts";

/** The first words of every unit that cardwire wrote. Others, whatever their names, are not ours. */
export const UNIT_MARK = "# Made by cardwire.";

/** By which target a service is started. */
export const WANTED_BY = { system: "multi-user.target", user: "default.target" } as const;

export const unitName = (name: string): string => `cardwire-${name}.service`;

/** Where units that are made on this computer are. */
export function unitDirectory(scope: Scope, { env }: Pick<Person, "env"> = thisPerson()): string {
  if (scope === "system") return "/etc/systemd/system";
  const config = env["XDG_CONFIG_HOME"];
  const base = config !== undefined && isAbsolute(config) ? config : join(homedir(), ".config");
  return join(base, "systemd/user");
}

export const unitPath = (scope: Scope, name: string): string =>
  join(unitDirectory(scope), unitName(name));

/** Empty when there is none. */
export const readUnit = (scope: Scope, name: string): Promise<string> =>
  readFile(unitPath(scope, name), "utf8").catch(() => ""); // also a link to nowhere

/** The names of the units that cardwire wrote, sorted. */
export async function unitNames(scope: Scope): Promise<readonly string[]> {
  const directory = unitDirectory(scope);
  const names: string[] = [];
  for (const file of await readdir(directory).catch(() => [])) {
    const name = /^cardwire-(.+)\.service$/.exec(file)?.[1];
    if (name === undefined) continue;
    if ((await readUnit(scope, name)).startsWith(UNIT_MARK)) names.push(name);
  }
  return names.toSorted();
}

/** In one step: systemd sees the whole unit or the one before. @throws {CardwireError} `E_SERVICE`, `E_DISK_FULL`. */
export async function writeUnit(scope: Scope, name: string, text: string): Promise<string> {
  const directory = unitDirectory(scope);
  const path = join(directory, unitName(name));
  const old = await readUnit(scope, name);
  if (old !== "" && !old.startsWith(UNIT_MARK))
    throw new CardwireError("E_SERVICE", `${path} is there already, and not cardwire's`, {
      hint: "Choose another name with --name, before the '--'.",
    });
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(`${path}.new`, text, { mode: 0o644 });
    await rename(`${path}.new`, path);
  } catch (cause) {
    await rm(`${path}.new`, { force: true }).catch(() => {}); // the first failure is the one to tell
    if (errorCode(cause) !== "EACCES") throw explainFileError(cause, `the unit ${path}`, directory);
    throw new CardwireError("E_SERVICE", `no right to write ${path}`, {
      cause,
      hint: "Units of the system are root's: use sudo, or --user for a unit of your own.",
    });
  }
  return path;
}

/** What belongs to a unit: its file, what `systemctl edit` added to it, and the link that has it started. */
export async function unitFiles(scope: Scope, name: string): Promise<readonly string[]> {
  const directory = unitDirectory(scope);
  const unit = unitName(name);
  const all = [unit, `${unit}.d`, `${WANTED_BY[scope]}.wants/${unit}`];
  const found = await Promise.all(
    all.map(async (file) => {
      const path = join(directory, file);
      return (await lstat(path).catch(() => undefined)) && path; // not there
    }),
  );
  return found.filter((path) => path !== undefined);
}

/** Removes them, and the directories that a user did not have before. */
export async function deleteUnit(scope: Scope, name: string): Promise<void> {
  for (const path of await unitFiles(scope, name)) await rm(path, { recursive: true, force: true });
  const directory = unitDirectory(scope);
  const above = scope === "user" ? [directory, dirname(directory)] : [];
  for (const path of [join(directory, `${WANTED_BY[scope]}.wants`), ...above])
    await rmdir(path).catch(() => {}); // something is in it
}
