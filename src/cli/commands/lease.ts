import { Option } from "@commander-js/extra-typings";
import type { Exit, Io } from "../io.ts";
import { parseDuration, subcommand, wrongUsage } from "../options.ts";

/** How long a lease lasts unless it is renewed, ms. */
const LEASE_MS = 600_000;

/** @param command what stands behind `--` on the command line. */
export const leaseCommand = (io: Io, command: readonly string[], exit: Exit) =>
  subcommand("lease", "Run one program with a card that nobody else may use meanwhile", [
    "cardwire lease 'Yubico*' -- gpg --card-edit",
    ["cardwire lease 'Yubico*' --wait -- ./sign-all", "until it is free"],
    "cardwire lease 'Yubico*' --for 2m --name work -- pkcs11-tool -L",
  ])
    .usage("[options] <reader> -- <command...>")
    .argument("<reader>", "its name in a running attachment, or a glob that fits it alone")
    .addOption(
      new Option(
        "--for <time>",
        "how long it lasts should nobody renew it (default: 10m)",
      ).argParser(parseDuration),
    )
    .option("--wait", "wait for its turn in the queue of the card")
    .option("--name <name>", "of which attachment, where several run")
    .option("--json", "tell what happens as JSON, an object a line, on standard error")
    .action(async (reader, { for: forMs = LEASE_MS, wait, name, json }) => {
      const [program, ...args] = command;
      if (program === undefined)
        throw wrongUsage("there is nothing to run", "cardwire lease READER -- COMMAND [ARGUMENT…]");
      const { runLease } = await import("../lease/run-lease.ts");
      await runLease(
        {
          reader,
          forMs,
          wait: wait ?? false,
          name,
          json: json ?? false,
          command: [program, ...args],
        },
        { io, exit },
      );
    });
