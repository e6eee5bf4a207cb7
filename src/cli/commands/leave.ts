import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";
import { printable } from "../report.ts";

export const leaveCommand = (io: Io) =>
  subcommand("leave", "Forget a card host that was joined, with the key for it", [
    "cardwire leave cardhost",
  ])
    .argument("<name>", "what the card host is called here")
    .option("--json", "one JSON object, for scripts")
    .action(async (name, { json }) => {
      const { readHost, removeHost } = await import("../../joined/hosts.ts");
      const identity = await readHost(name).then(
        (host) => host.identity,
        () => undefined, // what is damaged can be left, too; what is not there is told below
      );
      await removeHost(name);
      if (json) io.out(JSON.stringify({ name, identity }));
      else
        io.err(
          `left ${name}: its key is gone from here. To shut it out there as well: cardwire revoke ${printable(identity ?? "NAME")}`,
        );
    });
