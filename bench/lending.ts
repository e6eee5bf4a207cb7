import { fileURLToPath } from "node:url";
import { delayLine } from "../test/lab/delay-line.ts";
import { type Program, run, start } from "../test/lab/programs.ts";
import { type Command, commands } from "./commands.ts";
import type { Stage } from "./stage.ts";
import { median } from "./statistics.ts";

const CARDWIRE = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** The ways that begin at the card host. */
const ways = ["ssh -R", "share"] as const;

/** One command on the computer that readers are lent to. */
export interface Lent {
  readonly way: (typeof ways)[number];
  readonly command: Command;
  /** From start to end, ms: the median of the later runs. */
  readonly ms: number;
}

/** A socket over there, which is bob's; alice makes it. Disposing ends it. */
interface Lending extends AsyncDisposable {
  readonly socket: string;
}

async function open(
  way: Lent["way"],
  { pcscd, config }: { pcscd: string; config: string },
): Promise<Lending> {
  const ended = (program: Program, socket: string): Lending => ({
    socket,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  });
  if (way === "share") {
    const via = ["--via", "forward"];
    const args = [CARDWIRE, "share", "cardhost", "--json", ...via, "--ssh", `ssh -F ${config}`];
    const env = { PCSCLITE_CSOCK_NAME: pcscd };
    const program = start("node", args, { user: "alice", env });
    const line = await program.waitForLine(/^\{/);
    return ended(program, (JSON.parse(line) as { socket: string }).socket);
  }
  const socket = "/tmp/plain.comm";
  const settings = ["-o", "ExitOnForwardFailure=yes", "-v"];
  const args = ["-F", config, "-N", ...settings, "-R", `${socket}:${pcscd}`, "cardhost"];
  const ssh = start("ssh", args, { user: "alice" });
  await ssh.waitForLine(/remote forward success/);
  return ended(ssh, socket);
}

/** Runs each command on fresh ways in turns: once, and then `later` times more. */
export async function measureLending(
  { pcscd, bareSshd }: Stage,
  { roundTripMs, later }: { readonly roundTripMs: number; readonly later: number },
): Promise<readonly Lent[]> {
  await using line = await delayLine({ port: bareSshd.port, delayMs: roundTripMs / 2 });
  const config = await bareSshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  const lent: Lent[] = [];
  for (const command of commands) {
    await (command.withCard ? pcscd.cards[0].insert() : pcscd.cards[0].pull());
    const times = ways.map((way) => ({ way, ms: [] as number[] }));
    const [plain, shared] = [
      await open("ssh -R", { pcscd: pcscd.socketPath, config }),
      await open("share", { pcscd: pcscd.socketPath, config }),
    ];
    await using _plain = plain;
    await using _shared = shared;
    for (let round = 0; round <= later; round++) {
      for (const { way, ms } of times) {
        const { socket } = way === "share" ? shared : plain;
        const [program, ...args] = command.argv;
        const env = { PCSCLITE_CSOCK_NAME: socket };
        const ran = await run(program, args, { user: "bob", env });
        if (!command.says.test(`${ran.stdout}${ran.stderr}`))
          throw new Error(`${command.title} through ${way} failed:\n${ran.stdout}${ran.stderr}`);
        if (round > 0) ms.push(ran.ms);
      }
    }
    await run("rm", ["-f", "/tmp/plain.comm"]);
    lent.push(...times.map(({ way, ms }) => ({ way, command, ms: median(ms) })));
  }
  return lent;
}
