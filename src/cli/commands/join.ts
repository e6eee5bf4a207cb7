import type { Exit, Io } from "../io.ts";
import { certificateFiles, certificateOptions, subcommand } from "../options.ts";

export const joinCommand = (io: Io, exit: Exit) =>
  subcommand("join", "Join a card host that invited you: its readers are here by its name", [
    ["cardwire join", "asks for the token"],
    ["cardwire join --name work < token", "in a file of yours alone"],
    ["cardwire join cardwire-1-…", "others on this computer could see it"],
    "cardwire join cardwire://cardhost --ca org.pem --cert alice.pem --key alice.key",
  ])
    .argument(
      "[token]",
      "as 'cardwire invite' printed it (default, and '-': from standard input); with --ca, cardwire://host[:port]",
    )
    .addOption(certificateOptions.ca())
    .addOption(certificateOptions.cert())
    .addOption(certificateOptions.key())
    .option("--name <name>", "what to call the card host here (default: as the token calls it)")
    .option("--json", "one JSON object, for scripts")
    .action(async (token, { name, json, ...flags }) => {
      const { runJoin } = await import("../serve/run-join.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const options = { token, name, json: json ?? false, files: certificateFiles(flags) };
      await untilInterrupted(exit, (signal) => runJoin(options, { io, signal }));
    });
