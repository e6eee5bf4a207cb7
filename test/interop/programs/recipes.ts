import { readFileSync } from "node:fs";
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { PATH, type Place, type Program, run, start } from "../../lab/programs.ts";
import type { Suite } from "../../lab/suites.ts";
import { type UserName, users } from "../../lab/users.ts";
import { type Attached, attach, MAIN, PATIENCE_MS } from "./cardwire.ts";

// The commands of docs/sandboxes.md, run as they stand there.

const page = readFileSync(new URL("../../../docs/sandboxes.md", import.meta.url), "utf8");

/**
 * A line of code in a section of the page that begins with `begin`.
 *
 * @param n which of several, 0 the first.
 */
export function line(section: string, begin: string, n = 0): string {
  const [, rest = ""] = page.split(`\n## ${section}\n`);
  const [text = ""] = rest.split("\n## ");
  const code = [...text.matchAll(/^ {4}(\S.*)$/gm)].map(([, found = ""]) => found);
  const found = code.filter((words) => words.startsWith(begin))[n];
  if (found === undefined) throw new Error(`docs/sandboxes.md: no "${begin}…" under "${section}"`);
  return found;
}

export interface ShellOptions {
  readonly user: UserName;
  readonly on?: Place;
}

/** Starts a `cardwire attach` of the page, whose only shell syntax is ~ for the home. */
export function attachAs(command: string, { user, ...options }: ShellOptions): Promise<Attached> {
  const words = command.split(" ").map((word) => word.replace(/^~/, users[user].home));
  return attach(words.slice(2), { user, ...options });
}

/** Where `cardwire` is for commands of the page. */
const BIN = "/run/tmp/bin";

/** Puts `cardwire` where the page's commands find it. Disposing takes it away. */
export async function installCardwire(): Promise<AsyncDisposable> {
  await mkdir(BIN);
  await symlink(MAIN, join(BIN, "cardwire"));
  return { [Symbol.asyncDispose]: () => rm(BIN, { recursive: true }) };
}

/** Runs a command of the page to its end. */
export const shell = (command: string, options: ShellOptions) =>
  run("sh", ["-ec", command], {
    ...options,
    env: { PATH: `${BIN}:${PATH}` },
    timeoutMs: 45_000,
  });

/** Runs what a test needs first. @throws {Error} with what it printed, if it fails. */
export async function prepare(script: string, options: ShellOptions): Promise<void> {
  const done = await shell(script, options);
  if (done.status !== 0) throw new Error(`failed:\n${done.stdout}${done.stderr}`);
}

/** A recipe with a shell in the place of its `opensc-tool -l`, for `Sandbox`. */
export function withShell(command: string): string {
  if (!command.endsWith(" opensc-tool -l")) throw new Error(`it lists nothing: ${command}`);
  return command.replace(/opensc-tool -l$/, "sh");
}

/** A sandbox that stays: a command that starts a shell in it, which lists the readers again and again. */
export class Sandbox implements AsyncDisposable {
  readonly #program: Program;

  constructor(command: string, options: ShellOptions) {
    this.#program = start("sh", ["-ec", `exec ${command}`], options);
  }

  /** What `opensc-tool -l` says inside. */
  async list(): Promise<string> {
    const from = this.#program.output.length;
    this.#program.write("opensc-tool -l 2>&1; echo listed\n");
    await this.#program.waitForLine(/^listed$/, { timeoutMs: PATIENCE_MS });
    return this.#program.output.slice(from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#program.closeInput();
    await this.#program.exited;
  }
}

/** Makes a copy of a suite's tree the page's /srv/debian, of `owner`. Disposing takes /srv away again. */
export async function plantTree({ root }: Suite, owner: UserName): Promise<AsyncDisposable> {
  const script = `
    mount -t tmpfs -o mode=755 tmpfs /srv
    cp -a "$1" /srv/debian
    chown -R "$2" /srv/debian`;
  const planted = await run("sh", ["-ec", script, "sh", root, owner]);
  if (planted.status !== 0) throw new Error(planted.stderr);
  return {
    async [Symbol.asyncDispose]() {
      await run("umount", ["--lazy", "/srv"]);
    },
  };
}
