import { existsSync } from "node:fs";
import { start } from "../test/lab/programs.ts";
import { startSshd } from "../test/lab/sshd.ts";
import { users } from "../test/lab/users.ts";
import { cardwireAttach, type Launch, plainForward } from "./attach.ts";
import { compile } from "./compile.ts";
import type { Stage, WayName } from "./stage.ts";
import { median } from "./statistics.ts";
import { turns } from "./turns.ts";

/** A card over ssh's own TCP connection, ms. */
export interface TcpLine {
  readonly way: WayName;
  readonly transmit: number;
  readonly turn: number;
}

/** The addresses of tcp-line.c, and a port in a network namespace where nothing else listens. */
const ADDRESS = "10.77.0.2";
const PORT = 2_222;

/** How many of each a round does, at most for so long, s. */
const COUNT = 15;
const SECONDS = 5;

/** alice, in the network namespace of a process. */
const aliceIn =
  (pid: number): Launch =>
  (program, args) => {
    const { uid, gid, home, name } = users.alice;
    const become = `setpriv --reuid ${uid} --regid ${gid} --init-groups --`.split(" ");
    const enter = [`--net=/proc/${pid}/ns/net`, "--", ...become, program, ...args];
    const env = { HOME: home, USER: name, LOGNAME: name, XDG_RUNTIME_DIR: `/run/user/${uid}` };
    return start("nsenter", enter, { env });
  };

/**
 * The delay line is a ProxyCommand, so that ssh's connection is none of TCP's and nothing of TCP shows:
 * neither Nagle's algorithm nor delayed acknowledgements. Here ssh's packets travel a line with delay
 * between two network namespaces. Undefined where there is no tun device.
 */
export async function measureTcpLine(
  stage: Stage,
  options: { readonly roundTripMs: number; readonly rounds: number },
): Promise<readonly TcpLine[] | undefined> {
  if (!existsSync("/dev/net/tun")) return undefined;
  await stage.pcscd.cards[0].insert();
  const program = await compile("tcp-line");
  const clientHost = "ip link set lo up; echo ready; exec sleep infinity";
  await using client = start("unshare", ["--net", "--", "/bin/sh", "-c", clientHost]);
  await client.waitForLine(/^ready$/);
  await using line = start(program, [`${options.roundTripMs / 2}`, `${client.pid}`]);
  await line.waitForLine(/^ready$/);
  const config = [`ListenAddress ${ADDRESS}:${PORT}`];
  await using sshd = await startSshd({ pcscdDirectory: stage.pcscd.directory, config });
  const clientConfig = await sshd.configWith([`HostName ${ADDRESS}`, `Port ${PORT}`]);
  const launch = aliceIn(client.pid);
  await using plain = await plainForward(clientConfig, "/run/pcscd/pcscd.comm", launch);
  await using cardwire = await cardwireAttach("cardhost", { config: clientConfig, launch });

  const measured = (["ssh -L", "cardwire"] as const).map((way) => {
    const { socket } = way === "cardwire" ? cardwire : plain;
    return { way, socket, transmit: [] as number[], turn: [] as number[] };
  });
  for (let round = 0; round < options.rounds; round++) {
    for (const what of ["transmit", "turn"] as const) {
      for (const { socket, [what]: ms } of measured) {
        const how = { socket, what, count: COUNT, seconds: SECONDS };
        ms.push((await turns(stage.turns, how)).each / 1_000);
      }
    }
  }
  return measured.map(({ way, transmit, turn }) => ({
    way,
    transmit: median(transmit),
    turn: median(turn),
  }));
}
