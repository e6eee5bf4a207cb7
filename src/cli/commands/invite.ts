import { Option } from "@commander-js/extra-typings";
import type { Io } from "../io.ts";
import {
  grantOptions,
  parseHostAddress,
  parseOtherPort,
  repeatable,
  subcommand,
} from "../options.ts";

export const inviteCommand = (io: Io) =>
  subcommand("invite", "Let one computer of somebody's in, once: prints a token for it", [
    "cardwire invite alice",
    "cardwire invite alice --reader 'Yubico*' --profile use --expires 1h",
    "cardwire invite alice --address cardhost.example.org",
  ])
    .argument("<name>", "as whom he is known here from then on")
    .addOption(grantOptions.reader())
    .addOption(grantOptions.profile())
    .addOption(grantOptions.expires())
    .addOption(
      repeatable(
        "--address <address>",
        "under which name or address he reaches this computer (default: those it knows of)",
        parseHostAddress,
      ),
    )
    .addOption(
      new Option("--port <port>", "and at which port (default: where 'serve' listens)").argParser(
        parseOtherPort,
      ),
    )
    .option("--json", "one JSON object, for scripts")
    .action(async (name, { reader = [], profile, expires, address, port, json }) => {
      const { runInvite } = await import("../serve/run-invite.ts");
      const rights = { name, readers: reader, profile, lifetimeMs: expires };
      await runInvite({ ...rights, addresses: address, port, json: json ?? false }, io);
    });
