import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";

export const uninstallCommand = (io: Io) =>
  subcommand("uninstall", "Remove everything that cardwire made on this computer", [
    "cardwire uninstall --dry-run",
    "sudo cardwire uninstall",
  ])
    .option("--dry-run", "print the paths, and remove nothing")
    .option("--json", "one JSON object a line, for scripts")
    .action(async (flags) => {
      const { uninstall } = await import("../uninstall.ts");
      const options = { dryRun: flags.dryRun ?? false, json: flags.json ?? false };
      await uninstall(options, { io });
    });
