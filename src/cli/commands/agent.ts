import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Option } from "@commander-js/extra-typings";
import { subcommand } from "../options.ts";

/**
 * What `attach` runs over there. @param version of this cardwire.
 */
export const agentCommand = (version: string) =>
  subcommand("agent", "Serve this computer's readers to an attach that logged in by ssh", [
    ["ssh cardhost cardwire agent", "what attach does by itself where cardwire is installed"],
  ])
    .addOption(new Option("--keeper", "what outlives the login").hideHelp())
    .action(async ({ keeper = false }) => {
      const { runAgent, runKeeper } = await import("../../agent/stdio.ts");
      const { untilSignal } = await import("../../host/signals.ts");
      using ending = untilSignal();
      const stdio = { input: process.stdin, output: process.stdout };
      const options = { version, signal: ending.signal };
      if (keeper) {
        process.title = "cardwire keeper";
        await runKeeper(stdio, options);
      } else await runAgent(stdio, { ...options, spawnKeeper });
    });

/** This program once more, in a process that outlives this one. */
const spawnKeeper = () =>
  spawn(
    process.execPath,
    [
      ...process.execArgv,
      fileURLToPath(new URL("../main.js", import.meta.url)),
      "agent",
      "--keeper",
    ],
    { detached: true, stdio: ["pipe", "pipe", "ignore"], cwd: "/" },
  );
