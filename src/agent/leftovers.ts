import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** How long the service manager may take to answer, ms. */
const ASK_MS = 1_000;

const QUESTION = [
  "get-property",
  "org.freedesktop.login1",
  "/org/freedesktop/login1",
  "org.freedesktop.login1.Manager",
  "KillUserProcesses",
] as const;

/**
 * Whether what this process leaves running is ended with the login it belongs to: logind.conf(5), KillUserProcesses.
 * Never throws; where nobody says so, it is not.
 */
export async function endsWithLogin(): Promise<boolean> {
  const groups = await readFile("/proc/self/cgroup", "utf8").catch(() => "");
  if (!/\/session-[^/]+\.scope$/m.test(groups)) return false;
  const asked = promisify(execFile)("busctl", QUESTION, { timeout: ASK_MS });
  const { stdout } = await asked.catch(() => ({ stdout: "" })); // no systemd, or an old one
  return stdout.trim() === "b true";
}
