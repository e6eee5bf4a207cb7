import { Option } from "@commander-js/extra-typings";
import type { MetricsPlace } from "../../fronts/metrics/server.ts";
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
  wrongUsage,
} from "../options.ts";
import { limitOptions } from "../serve/limit-options.ts";
import { localOptions, localWish } from "../serve/local-options.ts";
import type { SettingTables } from "../settings/keys.ts";
import { givenOptions, liveSettings } from "../settings/own.ts";

/** A port of this computer alone, or the path of a Unix socket. */
function parseMetricsPlace(text: string): MetricsPlace {
  return text.startsWith("/") ? { path: text } : { host: "127.0.0.1", port: parsePort(text) };
}

export const serveCommand = (io: Io, exit: Exit, tables: () => SettingTables) =>
  subcommand("serve", "Offer the readers of this computer to those who are invited, over TLS", [
    ["cardwire serve --invite alice", "prints a token for 'cardwire join'"],
    "cardwire serve --address 192.0.2.7 --port 7816",
    "cardwire serve --invite alice --reader 'Yubico*' --expires 10m",
    ["cardwire serve --local-group cards", "members of that group who come by ssh join in"],
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
    .addOption(
      new Option("--hand-over <policy>", "what becomes of a card between two who use it")
        .choices(["reset", "reset-unless-same-user", "exclusive", "shared"] as const)
        .default("reset" as const),
    )
    .addOption(limitOptions.idle())
    .addOption(limitOptions.total())
    .addOption(limitOptions.connect())
    .addOption(limitOptions.links())
    .addOption(limitOptions.handles())
    .addOption(limitOptions.waiting())
    .addOption(limitOptions.rate())
    .addOption(limitOptions.bytes())
    .addOption(localOptions.profile())
    .addOption(localOptions.group())
    .option("--audit <file>", "where the record goes: a file, 'stderr' or 'off' (default: a file)")
    .option("--audit-required", "refuse whatever cannot be recorded")
    .addOption(
      new Option(
        "--metrics <place>",
        "offer metrics for Prometheus at a port of this computer, or a Unix socket",
      ).argParser(parseMetricsPlace),
    )
    .option("--wait", "start although pcscd cannot be reached yet, and keep trying")
    .addOption(strictOption())
    .addOption(noPipeliningOption())
    .addOption(keepWarmOption())
    .option("--json", "one JSON object when it listens, for scripts")
    .option("-v, --verbose", "tell who comes, who leaves, and who is refused")
    .action(async (flags, command) => {
      const { runServe } = await import("../serve/run-serve.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const { invite, port, address = [], reader = [], profile, expires, wait, json } = flags;
      const given = givenOptions(command, flags);
      // Who is told `--local off` cares for no group in the settings file.
      const localGroup = flags.local === "off" ? given.localGroup : flags.localGroup;
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
        given,
        settings: liveSettings(tables(), given),
        local: localWish({ ...flags, localGroup }),
        audit: flags.audit,
        auditRequired: flags.auditRequired ?? false,
        metrics: flags.metrics,
        wait: wait ?? false,
        json: json ?? false,
        verbose: flags.verbose ?? false,
      };
      await untilInterrupted(exit, (signal) => runServe(options, { io, signal }));
    });
