import { once } from "node:events";
import type { Io } from "../io.ts";
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
import { exportLine, readerJson, readersTable } from "../report.ts";
import { nameOf, parseWhere } from "../where.ts";

export const attachCommand = (io: Io) =>
  subcommand("attach", "Make the readers of another computer usable by every program here", [
    "cardwire attach cardhost",
    "cardwire attach alice@cardhost --name work --mode 0660 --group staff --socket /tmp/cards/pcscd.comm",
    "cardwire attach ssh://alice@cardhost:2222 --ssh 'ssh -F ./config'",
  ])
    .argument("<where>", "[user@]host, ssh://[user@]host[:port], or unix:PATH")
    .option("--name <name>", "what to call the attachment (default: the host)")
    .option("--socket <path>", "where to put the socket (default: in the run-time directory)")
    .option("--mode <mode>", "rights of the socket, octal (default: 0600)", parseMode)
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
      const { untilSignal } = await import("../../host/signals.ts");
      const where = parseWhere(whereText);
      using signals = untilSignal();
      const { signal } = signals;
      using _notices = printNotices(io, { verbose: flags.verbose ?? false });
      await using attachment = await attach(
        where,
        {
          ...pcscdOptions(flags),
          name: flags.name ?? nameOf(where),
          whereText,
          socket: flags.socket,
          mode: flags.mode,
          group: flags.group,
          slots: Number(flags.slots),
          ssh: flags.ssh,
          canAskAgain: true,
        },
        { io, signal },
      );
      const { name, socket } = attachment;
      const { service, carrier } = attachment.readers;
      const { minor } = service.traits ?? {};
      const protocol = `4:${minor}`;
      const roundTripMs = await service.roundTrip({ signal });
      if (flags.json) {
        const readers = service.readers.map(readerJson);
        io.out(JSON.stringify({ name, where: whereText, socket, protocol, roundTripMs, readers }));
      } else {
        const count = service.readers.length;
        const readers = count === 1 ? "1 reader" : `${count} readers`;
        const trip = `${roundTripMs.toFixed(1)} ms round trip`;
        io.out(`${carrier.name}: ${readers}, pcscd protocol ${protocol}, ${trip}`);
        if (count > 0) io.out(readersTable(service.readers).replaceAll(/^/gm, "  "));
        io.out("");
        io.out("Programs find them here once this is set in their environment:");
        io.out(`  ${exportLine(socket)}`);
        io.out("");
        io.err(`In other terminals: eval "$(cardwire env ${name})"`);
        if (where.kind === "ssh")
          io.err(
            "A plain forward: programs that compete for a card get it by chance, as pcscd gives it.",
          );
        io.err("Ctrl-C ends the attachment and removes the socket.");
      }
      if (!signal.aborted) await once(signal, "abort");
    });
