import type { Io } from "../io.ts";
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
export const runCommand = (
  io: Io,
  command: readonly string[],
  setExit: (status: number | NodeJS.Signals) => void,
) =>
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
      const { untilSignal } = await import("../../host/signals.ts");
      const { runProgram } = await import("../run-program.ts");
      const where = parseWhere(whereText);
      const signals = untilSignal();
      using _notices = flags.verbose ? printNotices(io, { verbose: true }) : undefined;
      await using attachment = await attach(
        where,
        {
          ...pcscdOptions(flags),
          name: `run-${process.pid}`,
          whereText,
          socket: undefined,
          mode: undefined,
          group: undefined,
          slots: Number(flags.slots),
          keepWarm: false,
          ssh: flags.ssh,
          canAskAgain: false, // the program has the terminal
        },
        { io, signal: signals.signal },
      );
      signals[Symbol.dispose](); // from here on they are the program's
      const env = { ...io.env, PCSCLITE_CSOCK_NAME: attachment.socket };
      setExit(await runProgram(program, args, { env }));
    });
