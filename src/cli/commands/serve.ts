import { Option } from "@commander-js/extra-typings";
import type { Exit, Io } from "../io.ts";
import {
  grantOptions,
  keepWarmOption,
  noPipeliningOption,
  parsePort,
  pcscdOptions,
  repeatable,
  strictOption,
  subcommand,
  waitOption,
} from "../options.ts";

export const serveCommand = (io: Io, exit: Exit) =>
  subcommand("serve", "Offer the readers of this computer to those who are invited, over TLS", [
    ["cardwire serve --invite alice", "prints a token for 'cardwire join'"],
    "cardwire serve --address 192.0.2.7 --port 7816",
    "cardwire serve --invite alice --reader 'Yubico*' --expires 10m",
  ])
    .option("--invite <name>", "invite somebody at once, as 'cardwire invite' does")
    .addOption(new Option("--port <port>", "where to listen (default: 7816)").argParser(parsePort))
    .addOption(
      repeatable("--address <address>", "listen at this address of this computer (default: all)"),
    )
    .addOption(grantOptions.reader())
    .addOption(grantOptions.profile())
    .addOption(grantOptions.expires())
    .addOption(waitOption())
    .addOption(strictOption())
    .addOption(noPipeliningOption())
    .addOption(keepWarmOption())
    .option("--json", "one JSON object when it listens, for scripts")
    .option("-v, --verbose", "tell who comes, who leaves, and who is refused")
    .action(async (flags) => {
      const { runServe } = await import("../serve/run-serve.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const { invite, port, address = [], reader = [], profile, expires, wait, json } = flags;
      const options = {
        ...pcscdOptions(flags),
        port,
        addresses: address,
        invitation:
          invite === undefined
            ? undefined
            : { name: invite, readers: reader, profile, lifetimeMs: expires },
        wait: wait ?? false,
        json: json ?? false,
        verbose: flags.verbose ?? false,
      };
      await untilInterrupted(exit, (signal) => runServe(options, { io, signal }));
    });
