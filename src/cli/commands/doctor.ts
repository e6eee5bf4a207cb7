import type { ExamineOptions } from "../../doctor/examine.ts";
import { parseWhere } from "../../domain/where.ts";
import { SYSTEM_SOCKET } from "../../host/system-socket.ts";
import { type Exit, ExitCode, type Io } from "../io.ts";
import { repeatable, sshOption, subcommand, wrongUsage } from "../options.ts";

export const doctorCommand = (io: Io, exit: Exit, version: string) =>
  subcommand("doctor", "Find out what is in the way, and say what mends it", [
    "cardwire doctor",
    "cardwire doctor alice@cardhost",
    "cardwire doctor cardwire://cardhost",
    "cardwire doctor --program /usr/bin/i3lock --root /var/lib/machines/work",
  ])
    .argument(
      "[where]",
      "the card host: a host that was joined, [user@]host, ssh://[user@]host[:port], cardwire://host[:port], or unix:PATH (default: this computer)",
    )
    .addOption(sshOption())
    .addOption(repeatable("--program <path>", "whether this program follows the variable"))
    .addOption(
      repeatable("--root <path>", "look for libraries in the root of a container or sandbox, too"),
    )
    .option("--json", "one JSON object a finding, for scripts")
    .option("-v, --verbose", "what every finding means")
    .action(async (whereText, flags) => {
      const { examine } = await import("../../doctor/examine.ts");
      const { findingsText, summary } = await import("../doctor-report.ts");
      const { runtimePath } = await import("../../host/paths.ts");
      const { styled } = await import("../style.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      await untilInterrupted(exit, async (signal) => {
        const findings = await examine({
          cardHost: await cardHost(io, whereText, flags.ssh),
          release: version,
          standardSocket: SYSTEM_SOCKET,
          variable: io.env["PCSCLITE_CSOCK_NAME"],
          runtime: runtimePath(),
          programs: flags.program ?? [],
          roots: flags.root ?? [],
          signal,
        });
        if (flags.json) for (const finding of findings) io.out(JSON.stringify(finding));
        else {
          const verbose = flags.verbose ?? false;
          io.out(findingsText(findings, { verbose, style: styled(io) }));
          io.err(summary(findings));
        }
        if (findings.some(({ level }) => level === "fault")) exit(ExitCode.Failed);
      });
    });

async function cardHost(
  io: Io,
  whereText: string | undefined,
  sshFlag: string | undefined,
): Promise<ExamineOptions["cardHost"]> {
  if (whereText === undefined) return { kind: "unix", socket: SYSTEM_SOCKET, asked: false };
  const where = parseWhere(whereText);
  if (where.kind === "software" || where.kind === "demo")
    throw wrongUsage("software readers are part of cardwire", "Name a host, or unix:PATH.");
  if (where.kind === "cardwire") return where;
  if (where.kind === "unix") {
    const { checkSocketPath } = await import("../../host/socket-path.ts");
    checkSocketPath(where.path);
    return { kind: "unix", socket: where.path, asked: true };
  }
  const { splitCommand } = await import("../../carriers/ssh/split-command.ts");
  const { checkDestination } = await import("../../carriers/ssh/destination.ts");
  const { canAsk } = await import("../../host/terminal.ts");
  checkDestination(where.destination);
  return {
    kind: "ssh",
    destination: where.destination,
    ssh: splitCommand(sshFlag ?? io.env["CARDWIRE_SSH"] ?? "ssh"),
    canAsk: canAsk(io.env),
  };
}
