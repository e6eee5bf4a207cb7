import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

// tsc alone makes the package: dist mirrors src, file by file, with declarations and source maps.

/** When the newest of these was changed, ms; 0 when there is none. */
function newest(...folders: readonly string[]): number {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  );
  return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
}

function build(): number {
  const fresh = `dist.${process.pid}`;
  const argv = ["-p", "tsconfig.build.json", "--outDir", fresh];
  const { status } = spawnSync("node_modules/.bin/tsc", argv, { stdio: "inherit" });
  if (status === 0) {
    chmodSync(join(fresh, "cli/main.js"), 0o755); // npm does so only when it installs the package
    rmSync("dist", { recursive: true, force: true });
    renameSync(fresh, "dist");
  } else rmSync(fresh, { recursive: true, force: true });
  return status ?? 1;
}

/** Two test runs at once share one dist: the second finds it made. */
function isCurrent(): boolean {
  const made = statSync("dist/cli/main.js", { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return made > Math.max(newest("src"), statSync("tsconfig.build.json").mtimeMs);
}

process.exitCode = isCurrent() ? 0 : build();
