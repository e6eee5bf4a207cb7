import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";

/**
 * Whether one of our child processes, or of theirs, asks something at the terminal now: a password, or whether a host
 * is to be trusted. A line of ours would land in the middle of the answer. True when in doubt.
 *
 * ssh opens /dev/tty for as long as it asks (readpassphrase(3)). A pinentry, which is no child of ours, turns off the
 * terminal's echo.
 */
export async function isSomebodyAsked(pid = process.pid): Promise<boolean> {
  try {
    for (const child of await descendants(pid)) if (await holdsTerminal(child)) return true;
    return !(await echoes());
  } catch {
    return true;
  }
}

/** Processes below `pid`, by the kernel's lists of children (proc(5)). Those that end meanwhile are passed over. */
async function descendants(pid: number): Promise<readonly number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, "utf8").catch(() => "")),
  );
  const children = lists.join(" ").split(/\s+/).filter(Boolean).map(Number);
  const below = await Promise.all(children.map(descendants));
  return [...children, ...below.flat()];
}

async function holdsTerminal(pid: number): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const numbers = await readdir(folder);
  const targets = await Promise.all(
    numbers.map((number) => readlink(`${folder}/${number}`).catch(() => "")),
  );
  return targets.includes("/dev/tty");
}

async function echoes(): Promise<boolean> {
  const { stdout } = await promisify(execFile)("stty", ["-F", "/dev/tty", "-a"]);
  return /(?<!-)\becho\b/.test(stdout);
}
