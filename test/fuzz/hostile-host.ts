import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Holdings } from "../../src/domain/holdings.ts";
import { attach } from "../faults/attached.ts";
import { startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { PcscClient } from "../pcsc/client.ts";
import { cards } from "../replay/attached.ts";
import { startDaemon } from "../replay/daemon.ts";
import { tell } from "./campaign.ts";
import { goodPrograms } from "./good-programs.ts";
import { hostileDaemon } from "./hostile-daemon.ts";
import { judgeAsApplication } from "./judging-application.ts";
import { recordingProxy } from "./recording-proxy.ts";
import { resourcesOf } from "./resources.ts";

/** How many programs at once ask for the hostile host's readers, which makes cardwire connect to it again and again. */
const AT_ONCE = 6;
/** More memory, MiB, than a process may gain by what a hostile daemon sends it. */
const MOST_GROWTH = 60;

/**
 * A real `cardwire attach` of two card hosts at once, one of them hostile, until that one has misbehaved on `count`
 * connections or the time is up. Programs on the good one must notice nothing.
 *
 * @returns on how many connections it misbehaved.
 * @throws {Error} what somebody was told that nobody may be told.
 */
export async function besideHostileHost({
  seed,
  count,
  limitMs,
}: {
  seed: number;
  count: number;
  limitMs: number;
}): Promise<number> {
  await using holdings = new Holdings();
  const directory = await mkdtemp(join(tmpdir(), "hostile-"));
  holdings.hold({ [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) });
  await chmod(directory, 0o755);
  const path = join(directory, "pcscd.comm");
  const honest = holdings.hold(await startDaemon({ kind: "2.5.1", readers: cards }));
  const about = { seed, order: honest.order, backend: honest.path };
  const hostile = holdings.hold(await hostileDaemon(path, about));
  await chmod(path, 0o666);
  const pcscd = holdings.hold(await startPcscd());
  const proxy = holdings.hold(await recordingProxy(pcscd.socketPath));
  const { program, socket } = holdings.hold(await attach([`unix:${path}`, `unix:${proxy.path}`]));
  const good = holdings.hold(await goodPrograms(socket, await goodReader(socket)));
  const { pid } = program;
  const before = (await resourcesOf(pid)).memory;
  const end = performance.now() + limitMs;
  const goesOn = () =>
    hostile.how.length < count && performance.now() < end && good.problems.length === 0;
  const ask = async (minor: number) => {
    while (goesOn()) {
      await judgeAsApplication(socket, minor);
      honest.requests.length = 0;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => ask(4 + (index % 3))));
  const { rounds } = good;
  await until("the programs on the good host to go on", () => good.rounds > rounds, 30_000);
  if (good.problems.length > 0) throw new Error(`on the good host: ${good.problems.join("; ")}`);
  if (proxy.violations.length > 0) throw new Error(`reached pcscd: ${proxy.violations.join("; ")}`);
  const rss = (await resourcesOf(pid)).memory;
  if (rss - before > MOST_GROWTH) throw new Error(`memory went from ${before} to ${rss} MiB`);
  tell(
    `beside a hostile host: ${hostile.how.length} connections, ${rounds} rounds, ${Math.round(before)} to ${Math.round(rss)} MiB`,
  );
  return hostile.how.length;
}

/** The name that the good host's card has in the list of both. */
async function goodReader(socket: string): Promise<string> {
  await using client = new PcscClient(socket);
  await client.must("establish", { context: "a" });
  return await until("the good host's readers", async () => {
    const { readers } = await client.call("list", { context: "a" });
    return (readers as string[]).find((name) => /^Virtual PCD .* 00 00$/.test(name));
  });
}
