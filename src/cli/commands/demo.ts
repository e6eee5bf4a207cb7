import { once } from "node:events";
import type { Exit, Io } from "../io.ts";
import { subcommand } from "../options.ts";

export const demoCommand = (io: Io, exit: Exit) =>
  subcommand("demo", "Show it all on this computer, with a card made of software", [
    "cardwire demo",
    ["cardwire demo --once", "and end after the last step"],
  ])
    .option("--once", "end after the last step; otherwise the card stays until Ctrl-C")
    .option("--json", "one JSON object after the last step, for scripts")
    .action(async ({ once: isOnce, json }) => {
      const { demo } = await import("../demo/demo.ts");
      const { DemoText, DemoJson } = await import("../demo/screen.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      await untilInterrupted(exit, async (signal) => {
        const screen = json ? new DemoJson(io) : new DemoText(io);
        await using attachment = await demo(screen, { io, signal });
        screen.end({ socket: attachment.socket, stays: !isOnce });
        if (!isOnce && !signal.aborted) await once(signal, "abort");
      });
    });
