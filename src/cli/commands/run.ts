import type { Attachment } from "../attachment.ts";
import type { Exit, Io } from "../io.ts";
import {
  firstOption,
  frontOptions,
  graceOption,
  localOption,
  lockTimeOption,
  noPipeliningOption,
  pcscdOptions,
  prefetchOption,
  remoteNodeOption,
  SLOTS_AS_BUILT,
  slotsOption,
  sshOption,
  strictOption,
  subcommand,
  viaOption,
  vpcdPortOption,
  wayOptions,
  WHERE,
  wrongUsage,
} from "../options.ts";
import { absenceLines } from "../report.ts";
import { parseSources } from "../sources.ts";

/** @param command what stands behind `--` on the command line. */
export const runCommand = (io: Io, command: readonly string[], exit: Exit) =>
  subcommand("run", "Run one program with the readers of other computers", [
    "cardwire run cardhost -- pkcs11-tool -L",
    "cardwire run alice@cardhost -- gpg --card-status",
    "cardwire run cardhost otherhost --local -- opensc-tool -l",
  ])
    .usage("[options] [where...] -- <command...>")
    .argument("[where...]", `${WHERE}; several make one list`)
    .addOption(localOption())
    .addOption(sshOption())
    .addOption(slotsOption(SLOTS_AS_BUILT))
    .addOption(firstOption())
    .addOption(strictOption())
    .addOption(noPipeliningOption())
    .addOption(viaOption())
    .addOption(remoteNodeOption())
    .addOption(prefetchOption())
    .addOption(graceOption())
    .addOption(lockTimeOption())
    .addOption(vpcdPortOption())
    .option("-v, --verbose", "tell what happens to the line meanwhile")
    .action(async (wheres, flags) => {
      const [program, ...args] = command;
      if (program === undefined)
        throw wrongUsage("there is nothing to run", "cardwire run WHERE -- COMMAND [ARGUMENT…]");
      const { attach } = await import("../attachment.ts");
      const { printNotices } = await import("../notices.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const { runProgram } = await import("../run-program.ts");
      const sources = parseSources(wheres, flags);
      let attachment: Attachment | undefined;
      await untilInterrupted(exit, async (signal) => {
        attachment = await attach(
          sources,
          {
            ...pcscdOptions(flags),
            ...wayOptions(flags),
            ...frontOptions(flags),
            name: undefined, // nobody else needs to find it
            socket: undefined,
            mode: undefined,
            group: undefined,
            keepWarm: false,
            ssh: flags.ssh,
            vpcdPort: flags.vpcdPort,
            canAskAgain: false, // the program has the terminal
            wait: false,
          },
          { io, signal },
        );
      });
      if (!attachment) return;
      await using open = attachment; // signals are the program's from here on
      for (const { source, absence } of open.readers.sources) {
        if (absence === undefined) continue;
        for (const line of absenceLines(source.text, absence, { isTried: true })) io.err(line);
      }
      using _notices = flags.verbose
        ? printNotices(io, { verbose: true, ...open.readers })
        : undefined;
      const env = { ...io.env, PCSCLITE_CSOCK_NAME: open.socket };
      exit(await runProgram(program, args, { env }));
    });
