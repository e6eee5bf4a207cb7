import { readFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { run } from "../test/lab/programs.ts";

/** The first thing in a program's words that looks like a version. */
async function version(program: string, args: readonly string[], pattern: RegExp): Promise<string> {
  const { stdout, stderr } = await run(program, args);
  return pattern.exec(`${stdout}${stderr}`)?.[0] ?? "unknown";
}

/** What was measured on, as a Markdown list. */
export async function machine(): Promise<string> {
  const name = /^PRETTY_NAME="(.*)"$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1];
  const ssh = await version("ssh", ["-V"], /OpenSSH_[^ ,]+/);
  const pcscd = await version("pcscd", ["--version"], /pcsc-lite version [\d.]+\d/);
  const openSc = await version("opensc-tool", ["--info"], /OpenSC [\d.]+/);
  const memory = (totalmem() / 2 ** 30).toFixed(1);
  const lines = [
    `${cpus().length} cores, ${cpus()[0]?.model.trim()}, ${memory} GiB of memory`,
    `${name}, Linux ${release()}`,
    `Node.js ${process.version}, ${ssh}, ${pcscd}, ${openSc}`,
    `load of the machine before: ${loadavg()[0]?.toFixed(2)}`,
  ];
  return lines.map((line) => `- ${line}`).join("\n");
}
