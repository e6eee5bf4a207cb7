import { once } from "node:events";
import { resolve } from "node:path";
import type { Exit, Io } from "../io.ts";
import {
  firstOption,
  frontOptions,
  groupOption,
  graceOption,
  keepWarmOption,
  lockTimeOption,
  prefetchOption,
  remoteNodeOption,
  modeOption,
  localOption,
  noPipeliningOption,
  pcscdOptions,
  SLOTS_AS_BUILT,
  slotsOption,
  sshOption,
  strictOption,
  subcommand,
  vpcdPortOption,
  WHERE,
  viaOption,
  waitOption,
  wayOptions,
} from "../options.ts";
import { attachmentName, parseSources, type Source } from "../sources.ts";
import { checkSystemSources, systemOption, systemSocketText } from "../system-option.ts";

export const attachCommand = (io: Io, exit: Exit) =>
  subcommand("attach", "Make the readers of other computers usable by every program here", [
    "cardwire attach cardhost",
    "cardwire attach alice@cardhost --name work --mode 0660 --group staff",
    "cardwire attach ssh://alice@cardhost:2222 --ssh 'ssh -F ./config'",
    "cardwire attach cardhost otherhost --local",
  ])
    .argument("[where...]", `${WHERE}; several make one list`)
    .addOption(localOption())
    .addOption(waitOption())
    .option("--name <name>", "what to call the attachment (default: the host, or the hosts)")
    .option("--socket <path>", "where to put the socket (default: in the run-time directory)")
    .addOption(systemOption())
    .addOption(modeOption())
    .addOption(groupOption())
    .addOption(sshOption())
    .addOption(slotsOption(SLOTS_AS_BUILT))
    .addOption(firstOption())
    .addOption(strictOption())
    .addOption(noPipeliningOption())
    .addOption(keepWarmOption())
    .addOption(viaOption())
    .addOption(remoteNodeOption())
    .addOption(prefetchOption())
    .addOption(graceOption())
    .addOption(lockTimeOption())
    .addOption(vpcdPortOption())
    .option("--json", "one JSON object when the socket is there, for scripts")
    .option("-v, --verbose", "tell more")
    .action(async (wheres, flags) => {
      const { attach } = await import("../attachment.ts");
      const { printNotices } = await import("../notices.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const { findings, tellDoor, tellFound } = await import("../attach-screen.ts");
      const { prepareSystemSocket, SYSTEM_SOCKET } = await import("../../host/system-socket.ts");
      const { tellServiceManager } = await import("../service-manager.ts");
      const sources = parseSources(wheres, flags);
      if (flags.system) checkSystemSources(sources);
      const name = flags.name ?? attachmentName(sources);
      await untilInterrupted(exit, async (signal) => {
        await using _place = flags.system ? await prepareSystemSocket() : undefined;
        const chosen = flags.socket === undefined ? undefined : resolve(flags.socket);
        const options = {
          ...pcscdOptions(flags),
          ...wayOptions(flags),
          ...frontOptions(flags),
          name,
          socket: flags.system ? SYSTEM_SOCKET : chosen,
          mode: flags.mode,
          group: flags.group,
          ssh: flags.ssh,
          vpcdPort: flags.vpcdPort,
          canAskAgain: true,
          wait: flags.wait ?? false,
        };
        await using attachment = await attach(sources, options, { io, signal });
        const { readers, socket } = attachment;
        // What goes wrong before is told as the reason of the failure.
        using _notices = printNotices(io, { verbose: flags.verbose ?? false, ...readers });
        const use = flags.system ? systemSocketText(flags.mode, flags.group) : undefined;
        tellFound(io, await findings(readers, { name, socket, signal }), { ...flags, use });
        await tellDoor(io, socket);
        await using _manager = await tellServiceManager(attachedText(sources, socket), {
          io,
          ...readers,
        });
        if (!signal.aborted) await once(signal, "abort");
      });
    });

/** What a service manager shows of it. */
const attachedText = (sources: readonly Source[], socket: string): string =>
  `the readers of ${sources.map(({ text }) => text).join(", ")} are at ${socket}`;
