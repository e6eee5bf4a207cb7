import { Option } from "@commander-js/extra-typings";
import type { Exit, Io } from "../io.ts";
import {
  certificateFiles,
  certificateOptions,
  grantOptions,
  keepWarmOption,
  noPipeliningOption,
  parsePort,
  pcscdOptions,
  repeatable,
  strictOption,
  subcommand,
  waitOption,
  wrongUsage,
} from "../options.ts";

export const serveCommand = (io: Io, exit: Exit) =>
  subcommand("serve", "Offer the readers of this computer to those who are invited, over TLS", [
    ["cardwire serve --invite alice", "prints a token for 'cardwire join'"],
    "cardwire serve --address 192.0.2.7 --port 7816",
    "cardwire serve --invite alice --reader 'Yubico*' --expires 10m",
    [
      "cardwire serve --ca org.pem --cert here.pem --key here.key --name-from SAN:email",
      "for the members of an organisation",
    ],
  ])
    .option("--invite <name>", "invite somebody at once, as 'cardwire invite' does")
    .addOption(new Option("--port <port>", "where to listen (default: 7816)").argParser(parsePort))
    .addOption(
      repeatable("--address <address>", "listen at this address of this computer (default: all)"),
    )
    .addOption(certificateOptions.ca())
    .addOption(certificateOptions.cert())
    .addOption(certificateOptions.key())
    .addOption(
      new Option("--name-from <part>", "which part of a member's certificate is his name")
        .choices(["CN", "SAN:email", "SAN:dns", "SAN:uri"] as const)
        .default("CN" as const),
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
      const certificates = certificateFiles(flags);
      if (certificates && invite !== undefined)
        throw wrongUsage("members of an organisation are not invited", "Leave --invite away.");
      const options = {
        ...pcscdOptions(flags),
        port,
        addresses: address,
        organisation: certificates && {
          files: certificates,
          nameOf: flags.nameFrom,
          grant: { readers: reader, profile },
        },
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
