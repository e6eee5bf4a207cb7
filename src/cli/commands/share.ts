import { once } from "node:events";
import type { Exit, Io } from "../io.ts";
import {
  firstOption,
  frontOptions,
  graceOption,
  groupOption,
  keepWarmOption,
  lockTimeOption,
  modeOption,
  noPipeliningOption,
  pcscdOptions,
  prefetchOption,
  remoteNodeOption,
  repeatable,
  slotsOption,
  sshOption,
  strictOption,
  subcommand,
  viaOption,
  waitOption,
  wayOptions,
  wrongUsage,
} from "../options.ts";
import { parseSources, whereHere } from "../sources.ts";
import { parseWhere } from "../../domain/where.ts";

export const shareCommand = (io: Io, exit: Exit) =>
  subcommand("share", "Make the readers of this computer usable by programs on another one", [
    "cardwire share computer2",
    "cardwire share alice@computer2 --reader 'Yubico*'",
    "cardwire share computer2 --socket /tmp/pcscd.comm --group cards",
  ])
    .argument("<to>", "[user@]host, or ssh://[user@]host[:port]")
    .addOption(repeatable("--reader <glob>", "lend only readers of that name, such as 'Yubico*'"))
    .option("--name <name>", "what to call the socket's directory there (default: this host)")
    .option("--socket <path>", "where to put the socket there (default: the run-time directory)")
    .addOption(modeOption())
    .addOption(groupOption())
    .addOption(sshOption())
    .addOption(waitOption())
    .addOption(slotsOption("16"))
    .addOption(firstOption())
    .addOption(strictOption())
    .addOption(noPipeliningOption())
    .addOption(keepWarmOption())
    .addOption(viaOption())
    .addOption(remoteNodeOption())
    .addOption(prefetchOption())
    .addOption(graceOption())
    .addOption(lockTimeOption())
    .option("--json", "one JSON object when the socket is there, for scripts")
    .option("-v, --verbose", "tell more")
    .action(async (to, flags) => {
      const { checkAttachmentName } = await import("../../host/paths.ts");
      const { share } = await import("../share.ts");
      const { shareNotices } = await import("../share-notices.ts");
      const { printNotices } = await import("../notices.ts");
      const { tellServiceManager } = await import("../service-manager.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const where = parseWhere(to);
      if (where.kind !== "ssh")
        throw wrongUsage(`${to} is no other computer`, "cardwire share [user@]host");
      if (flags.name !== undefined) checkAttachmentName(flags.name);
      await untilInterrupted(exit, async (signal) => {
        const options = {
          ...pcscdOptions(flags),
          ...wayOptions(flags),
          ...frontOptions(flags),
          destination: where.destination,
          from: parseSources([whereHere(io.env)]),
          readers: flags.reader ?? [],
          name: flags.name,
          socket: flags.socket,
          mode: flags.mode,
          group: flags.group,
          ssh: flags.ssh,
          wait: flags.wait ?? false,
        };
        await using shared = await share(options, { io, signal });
        using _notices = printNotices(io, { verbose: flags.verbose ?? false });
        await using manager = await tellServiceManager(`the readers here are lent to ${to}`, {
          io,
        });
        const told = shareNotices(shared, {
          io,
          to,
          json: flags.json ?? false,
          lendsAll: flags.reader === undefined,
          manager,
          signal,
        });
        if (!signal.aborted) await once(signal, "abort");
        await told;
      });
    });
