import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { delayLine } from "../lab/delay-line.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { descendants, signal, until } from "../lab/processes.ts";
import { startSshd } from "../lab/sshd.ts";
import { attach, connected, files, masters, randomOf } from "./attached.ts";
import { breakLine } from "./breaks.ts";
import { keepers } from "./keepers.ts";
import { CountingWorker, end, mustHaveNoticedNothing, working } from "./workers.ts";

// The line to an agent breaks: within its patience no program notices, and no command is run twice.

const OK = "0x00000000";
const BREAKS = 15;
/** Change it to try other moments: FAULTS_SEED. */
const SEED = process.env["FAULTS_SEED"] ?? "1";

test(`a line to an agent that breaks ${BREAKS} times: programs notice nothing`, async () => {
  const random = randomOf(SEED);
  await using pcscd = await startPcscd();
  await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  await using line = await delayLine({ port: sshd.port, delayMs: 3 });
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);

  const far = ["cardhost", "--name", "cut", "--ssh", `ssh -F ${config}`, "--via", "agent"];
  const attached = await attach(far);
  await using cardwire = attached.program;
  const { env } = attached;
  const [reader] = readerNames;
  await using keeps = new CountingWorker(env, { reader, mark: "a1", handle: "keep" });
  await using renews = new CountingWorker(env, { reader, mark: "b2", handle: "again" });
  const workers = [keeps, renews];

  await working(workers);
  for (let broken = 0; broken < BREAKS; broken += 1) {
    if (random() < 0.75) await working(workers);
    await delay(random() * 300);
    await breakLine(random, { line, sshd });
  }
  await working(workers);
  await end(workers);
  mustHaveNoticedNothing(await pcscd.cards[0].log(), workers);

  cardwire.kill("SIGINT");
  expect(await cardwire.exited).toEqual({ status: 0, signal: undefined });
  expect(await files()).toEqual([]);
  await until("the agent to end", async () => (await keepers()).length === 0);
  await until("the logins to end", async () => (await descendants(sshd.pid)).length === 0);
}, 240_000);

test("a computer that slept while its line died goes on within seconds", async () => {
  await using pcscd = await startPcscd();
  await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  await using line = await delayLine({ port: sshd.port, delayMs: 3 });
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  const far = ["cardhost", "--name", "asleep", "--ssh", `ssh -F ${config}`, "--via", "agent"];
  await using attached = await attach(far);
  const [reader] = readerNames;
  await using program = await connected(attached, reader);
  expect(await program.rv("transmit", { apdu: "80e80000020001" })).toBe(OK);

  // All that is here stands still; the network forgets its connections, and nobody is told.
  const asleep = [attached.program.pid, ...(await masters("alice"))];
  for (const pid of asleep) signal(pid, "SIGSTOP");
  line.stall({ spareNew: true });
  await delay(12_000); // longer than a sign of life may take, and than the lock time
  for (const pid of asleep) signal(pid, "SIGCONT");

  const { rv, ms } = await program.call("transmit", { apdu: "80e80000020002" });
  expect(rv).toBe(OK);
  process.stdout.write(`after sleep: a command is answered in ${Math.round(ms)} ms\n`);
  expect(ms).toBeLessThan(10_000);
  expect(await pcscd.cards[0].log()).toEqual(["0001", "0002"]);
}, 90_000);
