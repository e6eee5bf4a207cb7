import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

/** How often `until` looks, ms. */
const POLL_MS = 10;

/** How long a process may take to end after SIGTERM before SIGKILL, ms. */
const GRACE_MS = 3_000;

/**
 * Asks until the answer is neither false nor undefined; a throw counts as "not yet".
 *
 * @throws {Error} that says `what` was awaited, with the last throw as its cause, after `timeoutMs`.
 */
export async function until<T>(
  what: string,
  ask: () => T | false | undefined | Promise<T | false | undefined>,
  timeoutMs = 15_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`, { cause });
    await delay(POLL_MS);
  }
}

/** A new directory that every user may enter; only root writes there. */
export async function publicDirectory(prefix: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `${prefix}-`));
  await chmod(path, 0o755);
  return path;
}

/** The command line that runs a TypeScript file of this folder with the Node.js in use. */
export function typeScript(file: string, ...args: readonly string[]): readonly string[] {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return [
    process.execPath,
    "--import",
    tsx,
    fileURLToPath(new URL(file, import.meta.url)),
    ...args,
  ];
}

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** The program's name, 15 bytes at most. */
  readonly name: string;
  readonly zombie: boolean;
}

/** Every process there is, as /proc tells it. */
export async function processes(): Promise<readonly ProcessEntry[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(
    pids.map(async (pid): Promise<ProcessEntry | undefined> => {
      // A process may be gone since the folder was read.
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      const found = /^\d+ \((.*)\) (\S) (\d+) /s.exec(stat);
      if (!found) return undefined;
      const [, name = "", state, parent] = found;
      return { pid: Number(pid), parent: Number(parent), name, zombie: state === "Z" };
    }),
  );
  return entries.filter((entry) => entry !== undefined);
}

/** The children of `pid`, their children, and so on. */
export async function descendants(pid: number): Promise<readonly ProcessEntry[]> {
  const all = await processes();
  const found: ProcessEntry[] = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const children = all.filter((entry) => parents.has(entry.parent));
    found.push(...children);
    parents = new Set(children.map((entry) => entry.pid));
  }
  return found;
}

/** Sends a signal to a process, or to a process group if negative; one that is gone is fine. */
export function signal(pid: number, name: NodeJS.Signals): void {
  // To kill(2) that is the test's own process group.
  if (pid === 0) throw new Error(`${name} for a process that does not run`);
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Ends a child: SIGTERM, and SIGKILL if that does not help. Resolves when it is gone. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await gone;
  clearTimeout(late);
}

/** Keeps what a child prints, for error messages. */
export function collectOutput(child: ChildProcess): () => string {
  let text = "";
  const add = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout?.on("data", add);
  child.stderr?.on("data", add);
  return () => text;
}
