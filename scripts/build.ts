import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeBundle } from "./bundle.ts";
import { writeManPages } from "./man.ts";

// tsc makes the package: dist mirrors src, file by file, with declarations and source maps. dist/man has the manual
// pages, which the program's own description of its commands makes; dist/agent.cjs is what attach sends to hosts
// without cardwire.

/** When the newest of these was changed, ms; 0 when there is none. */
function newest(...folders: readonly string[]): number {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  );
  return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
}

/** Puts `fresh` in the place of `old`, also where another build does the same at this moment: the last one stays. */
function replace(old: string, fresh: string): void {
  const away = `${fresh}.old`;
  for (;;) {
    if (existsSync(old)) {
      try {
        renameSync(old, away);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    rmSync(away, { recursive: true, force: true });
    try {
      return renameSync(fresh, old);
    } catch (error) {
      // The other one was faster.
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    }
  }
}

function build(): number {
  const fresh = `dist.${process.pid}`;
  const argv = ["-p", "tsconfig.build.json", "--outDir", fresh];
  const { status } = spawnSync("node_modules/.bin/tsc", argv, { stdio: "inherit" });
  if (status === 0) {
    writeManPages(join(fresh, "man"));
    writeBundle(join(fresh, "agent.cjs"));
    chmodSync(join(fresh, "cli/main.js"), 0o755); // npm does so only when it installs the package
    replace("dist", fresh);
  } else rmSync(fresh, { recursive: true, force: true });
  return status ?? 1;
}

/** Two test runs at once share one dist: the second finds it made. */
function isCurrent(): boolean {
  const made = statSync("dist/cli/main.js", { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const others = ["tsconfig.build.json", "package.json"].map((file) => statSync(file).mtimeMs);
  return made > Math.max(newest("src", "scripts"), ...others);
}

process.exitCode = isCurrent() ? 0 : build();
