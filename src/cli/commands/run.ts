import type { Attachment } from "../attachment.ts";
import type { Exit, Io } from "../io.ts";
import {
  noPipeliningOption,
  pcscdOptions,
  slotsOption,
  sshOption,
  strictOption,
  subcommand,
  wrongUsage,
} from "../options.ts";
import { parseWhere } from "../where.ts";

/** @param command what stands behind `--` on the command line. */
export const runCommand = (io: Io, command: readonly string[], exit: Exit) =>
  subcommand("run", "Run one program with the readers of another computer", [
    "cardwire run cardhost -- pkcs11-tool -L",
    "cardwire run alice@cardhost -- gpg --card-status",
  ])
    .usage("[options] <where> -- <command...>")
    .argument("<where>", "[user@]host, ssh://[user@]host[:port], or unix:PATH")
    .addOption(sshOption())
    .addOption(slotsOption())
    .addOption(strictOption())
    .addOption(noPipeliningOption())
    .option("-v, --verbose", "tell what happens to the line meanwhile")
    .action(async (whereText, flags) => {
      const [program, ...args] = command;
      if (program === undefined)
        throw wrongUsage("there is nothing to run", "cardwire run WHERE -- COMMAND [ARGUMENT…]");
      const { attach } = await import("../attachment.ts");
      const { printNotices } = await import("../notices.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      const { runProgram } = await import("../run-program.ts");
      const where = parseWhere(whereText);
      let attachment: Attachment | undefined;
      await untilInterrupted(exit, async (signal) => {
        attachment = await attach(
          where,
          {
            ...pcscdOptions(flags),
            name: undefined, // nobody else needs to find it
            whereText,
            socket: undefined,
            mode: undefined,
            group: undefined,
            slots: Number(flags.slots),
            keepWarm: false,
            ssh: flags.ssh,
            canAskAgain: false, // the program has the terminal
          },
          { io, signal },
        );
      });
      if (!attachment) return;
      await using open = attachment; // signals are the program's from here on
      using _notices = flags.verbose ? printNotices(io, { verbose: true }) : undefined;
      const env = { ...io.env, PCSCLITE_CSOCK_NAME: open.socket };
      exit(await runProgram(program, args, { env }));
    });
