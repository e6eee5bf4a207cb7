import { once } from "node:events";
import { resolve } from "node:path";
import type { Exit, Io } from "../io.ts";
import {
  keepWarmOption,
  noPipeliningOption,
  parseMode,
  pcscdOptions,
  slotsOption,
  sshOption,
  strictOption,
  subcommand,
} from "../options.ts";
import { checkSystemSources, systemOption, systemSocketText } from "../system-option.ts";
import { nameOf, parseWhere } from "../where.ts";

export const attachCommand = (io: Io, exit: Exit) =>
  subcommand("attach", "Make the readers of another computer usable by every program here", [
    "cardwire attach cardhost",
    "cardwire attach alice@cardhost --name work --mode 0660 --group staff --socket /tmp/cards/pcscd.comm",
    "cardwire attach ssh://alice@cardhost:2222 --ssh 'ssh -F ./config'",
  ])
    .argument("<where>", "[user@]host, ssh://[user@]host[:port], or unix:PATH")
    .option("--name <name>", "what to call the attachment (default: the host)")
    .option("--socket <path>", "where to put the socket (default: in the run-time directory)")
    .addOption(systemOption())
    .option(
      "--mode <mode>",
      "rights of the socket, octal (default: 0600, with --group 0660)",
      parseMode,
    )
    .option("--group <group>", "group of the socket")
    .addOption(sshOption())
    .addOption(slotsOption())
    .addOption(strictOption())
    .addOption(noPipeliningOption())
    .addOption(keepWarmOption())
    .option("--json", "one JSON object when the socket is there, for scripts")
    .option("-v, --verbose", "tell more")
    .action(async (whereText, flags) => {
      const { attach } = await import("../attachment.ts");
      const { printNotices } = await import("../notices.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const { foundJson, foundText } = await import("../attach-screen.ts");
      const { closedDoor } = await import("../../host/reach.ts");
      const { prepareSystemSocket, SYSTEM_SOCKET } = await import("../../host/system-socket.ts");
      const { tellServiceManager } = await import("../service-manager.ts");
      const where = parseWhere(whereText);
      if (flags.system) checkSystemSources([where]);
      const name = flags.name ?? nameOf(where);
      await untilInterrupted(exit, async (signal) => {
        await using _place = flags.system ? await prepareSystemSocket() : undefined;
        const chosen = flags.socket === undefined ? undefined : resolve(flags.socket);
        const options = {
          ...pcscdOptions(flags),
          name,
          whereText,
          socket: flags.system ? SYSTEM_SOCKET : chosen,
          mode: flags.mode,
          group: flags.group,
          slots: Number(flags.slots),
          ssh: flags.ssh,
          canAskAgain: true,
        };
        await using attachment = await attach(where, options, { io, signal });
        // What goes wrong before is told as the reason of the failure.
        using _notices = printNotices(io, { verbose: flags.verbose ?? false });
        const { service } = attachment.readers;
        const found = {
          name,
          where: whereText,
          socket: attachment.socket,
          protocol: `4:${service.traits?.minor}`,
          roundTripMs: await service.roundTrip({ signal }),
          readers: service.readers,
        };
        if (flags.json) io.out(foundJson(found));
        else {
          io.out(
            foundText(found, flags.system ? systemSocketText(flags.mode, flags.group) : undefined),
          );
          if (!flags.system) io.err(`In other terminals: eval "$(cardwire env ${name})"`);
          if (where.kind === "ssh")
            io.err("Programs that compete for a card get it by chance, as pcscd gives it.");
          io.err("Ctrl-C ends the attachment and removes the socket.");
        }
        const door = await closedDoor(attachment.socket).catch(() => undefined); // removed by somebody meanwhile
        if (door !== undefined)
          io.err(
            `Those whom --mode and --group admit cannot reach the socket: ${door} does not let them in. Choose another place with --socket.`,
          );
        const calm = `${whereText}: ${service.readers.length} readers at ${attachment.socket}`;
        await using _manager = await tellServiceManager(calm, { io });
        if (!signal.aborted) await once(signal, "abort");
      });
    });
