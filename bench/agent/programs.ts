import { setTimeout as delay } from "node:timers/promises";
import { type Command, type Cost, cost, medians, type Runs, settled } from "../commands.ts";
import { TELLING_MS } from "../waits.ts";
import type { Way } from "../way.ts";
import { type CallWatch, watchCalls } from "./call-watch.ts";

/** For the longest line, on which `ssh -L` takes half a minute for a signature. */
const TIMEOUT_MS = 180_000;
/** After this nobody else is taken to use the card: pcscd counts handles every 0.4 s, an agent believes it for 0.6 s. */
const ALONE_MS = 1_200;

const SIGN = "pkcs11-tool --login --pin 123456 --id 01 --sign -m SHA256-RSA-PKCS";

/** With empty readers. */
export const empty: readonly Command[] = [
  {
    title: "opensc-tool -l",
    argv: ["opensc-tool", "-l"],
    withCard: false,
    says: /Virtual PCD 00 01/,
  },
  {
    title: "pkcs11-tool -L",
    argv: ["pkcs11-tool", "-L"],
    withCard: false,
    says: /Virtual PCD 00 01[^]*\(empty\)/,
    timeoutMs: TIMEOUT_MS,
  },
];

/** With a PIV card. */
export const withPiv: readonly Command[] = [
  {
    title: "pkcs11-tool --sign --login",
    argv: ["sh", "-c", `rm -f s; ${SIGN} -i /etc/passwd -o s && wc -c <s`],
    withCard: true,
    says: /^256$/m,
    timeoutMs: TIMEOUT_MS,
  },
  {
    title: "yubico-piv-tool -a status",
    argv: ["yubico-piv-tool", "-r", "Virtual", "-a", "status"],
    withCard: true,
    says: /(Slot 9.:\s+Algorithm:[^]*){4}PIN tries left:\s+3/,
    timeoutMs: TIMEOUT_MS,
  },
];

/** What it costs as its calls tell, not the line. */
async function watchedCost(way: Way, watch: CallWatch, command: Command): Promise<Cost> {
  await watch.take(way);
  const measured = await cost({ ...way, socket: watch.socket(way) }, command);
  const waits = await watch.take(way);
  return { ...measured, waits: way.roundTripMs < TELLING_MS ? undefined : waits };
}

/** Runs a program on each way: once, and then `later` times more, with nobody else at the card. */
export async function measurePrograms(
  ways: readonly Way[],
  programs: readonly Command[],
  later: number,
): Promise<readonly Runs[]> {
  const runs: Runs[] = [];
  await using watch = await watchCalls(ways, ways[0]?.roundTripMs ?? 0);
  for (const command of programs) {
    for (const way of ways) {
      await settled(way);
      await delay(ALONE_MS);
      const first = await watchedCost(way, watch, command);
      const others = [];
      for (let round = 0; round < later; round++)
        others.push(await watchedCost(way, watch, command));
      const { name, roundTripMs } = way;
      runs.push({ way: name, roundTripMs, command, first, later: medians(others) });
    }
  }
  return runs;
}
