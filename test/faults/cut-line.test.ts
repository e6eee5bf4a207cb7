import { readdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { delayLine } from "../lab/delay-line.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { descendants, processes, until } from "../lab/processes.ts";
import { everywhere, start } from "../lab/programs.ts";
import { startSshd } from "../lab/sshd.ts";
import {
  attach,
  files,
  filesIn,
  LIMIT_MS,
  masters,
  randomOf,
  runtimeOf,
  upstream,
} from "./attached.ts";
import { breakLine } from "./breaks.ts";
import { Worker } from "./worker.ts";
import { CountingWorker, end, working } from "./workers.ts";

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

const CUTS = 50;
/** Change it to try other moments: FAULTS_SEED. */
const SEED = process.env["FAULTS_SEED"] ?? "1";

/** What a program may be told while the line breaks, and when it is back (design: lines break). */
const ALLOWED = new Set([
  "0x80100068", // SCARD_W_RESET_CARD
  "0x80100069", // SCARD_W_REMOVED_CARD
  "0x80100016", // SCARD_E_NOT_TRANSACTED
  "0x80100017", // SCARD_E_READER_UNAVAILABLE
  "0x80100009", // SCARD_E_UNKNOWN_READER
  "0x8010002E", // SCARD_E_NO_READERS_AVAILABLE
]);
const NOT_TRANSACTED = "0x80100016";
const TIMEOUT = "0x8010000A";

test(`a line cut ${CUTS} times: nothing is run twice, nothing hangs, nothing is left`, async () => {
  const random = randomOf(SEED);
  await using pcscd = await startPcscd();
  await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  await using line = await delayLine({ port: sshd.port, delayMs: 3 });
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  const before = await upstream(pcscd);

  const attached = await attach(["cardhost", "--name", "cut", "--ssh", `ssh -F ${config}`]);
  await using cardwire = attached.program;
  const { env } = attached;
  const [reader] = readerNames;
  await using keeper = new CountingWorker(env, { reader, mark: "a1", handle: "keep" });
  await using renewer = new CountingWorker(env, { reader, mark: "b2", handle: "again" });
  await using watcher = new Worker(env, "watcher", [reader]);
  await using scan = start("pcsc_scan", ["-n"], { user: "alice", env });
  const workers = [keeper, renewer];

  await working(workers, 2 * LIMIT_MS);
  await scan.waitForLine(/Card inserted/);
  const descriptors = await descriptorsOf(cardwire.pid);

  const kinds = new Map<string, number>();
  for (let cut = 0; cut < CUTS; cut += 1) {
    // Most fall into busy programs, the others into whatever the last one left: a new line half-way up.
    if (random() < 0.75) await working(workers, 2 * LIMIT_MS);
    await delay(random() * 300);
    const kind = await breakLine(random, { line, sshd });
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  line.resume();
  await working(workers, 2 * LIMIT_MS);
  expect(kinds.size).toBe(5);

  await end(workers);

  // Those who watch still do, and know of this card.
  const seen = watcher.reports.length;
  await pcscd.cards[0].pull();
  await scan.waitForLine(/Card removed/, { timeoutMs: LIMIT_MS });
  await until("the watcher to see the card go", () =>
    watcher.reports.slice(seen).some(({ present }) => present === false),
  );
  await pcscd.cards[0].insert();
  await scan.waitForLine(/Card inserted/, { timeoutMs: LIMIT_MS });
  watcher.program.closeInput();
  expect(await watcher.program.exited).toMatchObject({ status: 0, signal: undefined });

  // One line, and no more of anything than at the start.
  expect((await masters()).length).toBe(1);
  expect((await filesIn(runtimeOf("alice"))).filter((name) => /\/c\w+$/.test(name)).length).toBe(1);
  await until("spare connections to be closed", async () => {
    return (await descriptorsOf(cardwire.pid)) <= descriptors;
  });

  const log = await pcscd.cards[0].log();
  const logged = new Set(log);
  expect(logged.size).toBe(log.length);
  for (const { done, summary } of workers) {
    expect(done.length).toBeGreaterThan(CUTS / 2);
    expect(done.filter((payload) => !logged.has(payload))).toEqual([]);
    const failures = summary.codes.map((failure) => failure.split(" "));
    expect(failures.filter(([, code = ""]) => !ALLOWED.has(code))).toEqual([]);
    // Only a command can have an unknown fate.
    const uncertain = failures.filter(([, code]) => code === NOT_TRANSACTED);
    expect(uncertain.filter(([call]) => call !== "SCardTransmit")).toEqual([]);
    expect(summary.longest).toBeLessThan(LIMIT_MS);
  }
  const odd = watcher.summary.codes.filter((code) => !ALLOWED.has(code) && code !== TIMEOUT);
  expect(odd).toEqual([]);
  expect(watcher.summary.longest).toBeLessThan(LIMIT_MS);
  expect(scan.output).not.toMatch(/SCard\w+:/);

  scan.kill("SIGKILL");
  await scan.exited;
  cardwire.kill("SIGINT");
  expect(await cardwire.exited).toEqual({ status: 0, signal: undefined });
  expect(await files()).toEqual([]);
  await until("pcscd to have no context of ours", async () => (await upstream(pcscd)) === before);
  await until("the logins to end", async () => (await descendants(sshd.pid)).length === 0);
  expect(line.connections).toBe(0);
  const left = (await processes()).filter(({ name, zombie }) => name === "ssh" && !zombie);
  expect(left).toEqual([]);
}, 240_000);

async function descriptorsOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}
