import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { Holdings } from "../../src/domain/holdings.ts";
import { type Attached, attach, files, masters, randomOf } from "../faults/attached.ts";
import { breakLineSomehow } from "../faults/breaks.ts";
import { keepers } from "../faults/keepers.ts";
import {
  CountingWorker,
  end,
  mustBeOnceAndInOrder,
  mustHaveNoticedNothing,
  working,
} from "../faults/workers.ts";
import { type DelayLine, delayLine } from "../lab/delay-line.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { descendants, signal, until } from "../lab/processes.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";

// What befalls a line, a long time: four programs count commands on one card while it is cut, stalled, throttled, deaf
// and half-closed, and while the processes at either end are killed.

const COMMANDS = 10_000;
const BREAKS = 200;
/** Others each time; what failed says which: FAULTS_SEED. */
const SEED = process.env["FAULTS_SEED"] ?? String(Math.floor(Date.now() / 1_000));
const [READER] = readerNames;
const MARKS = ["a1", "b2", "c3", "d4"] as const;
/** Between two turns of a program, at most, s. */
const BREATH = "0.05";

interface Scene extends AsyncDisposable {
  readonly pcscd: Pcscd;
  readonly sshd: Sshd;
  readonly line: DelayLine;
  attach(...options: readonly string[]): Promise<Attached>;
  workers(env: Attached["env"]): readonly CountingWorker[];
}

/** A card behind a line, and nobody there yet. */
async function scene(): Promise<Scene> {
  const below = new Holdings();
  const pcscd = below.hold(await startPcscd());
  const sshd = below.hold(await startSshd({ pcscdDirectory: pcscd.directory }));
  const line = below.hold(await delayLine({ port: sshd.port, delayMs: 3 }));
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  const far = ["cardhost", "--name", "chaos", "--ssh", `ssh -F ${config}`, "--via", "agent"];
  return {
    pcscd,
    sshd,
    line,
    attach: async (...options) => await attach([...far, ...options]),
    workers: (env) =>
      MARKS.map((mark, at) => {
        const handle = at % 2 === 0 ? "keep" : "again";
        return below.hold(
          new CountingWorker(env, { reader: READER, mark, handle, breath: BREATH }),
        );
      }),
    [Symbol.asyncDispose]: async () => await below[Symbol.asyncDispose](),
  };
}

async function nothingIsLeft(sshd: Sshd): Promise<void> {
  expect(await files()).toEqual([]);
  await until("the agent to end", async () => (await keepers()).length === 0, 60_000);
  await until("the logins to end", async () => (await descendants(sshd.pid)).length === 0);
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const tally = (kinds: readonly string[]): string =>
  [...new Set(kinds)]
    .map((kind) => `${kinds.filter((one) => one === kind).length} ${kind}`)
    .join(", ");

test(`${COMMANDS} commands over a line with ${BREAKS} breaks or more: each once, and no error`, async () => {
  const random = randomOf(SEED);
  await using stage = await scene();
  const { pcscd, sshd, line } = stage;
  await using attached = await stage.attach();
  const workers = stage.workers(attached.env);
  await working(workers);
  const kinds: string[] = [];
  const count = () => workers.reduce((sum, { done }) => sum + done.length, 0);
  while (kinds.length < BREAKS || count() < COMMANDS) {
    if (random() < 0.75) await working(workers);
    await delay(random() * 1_000);
    kinds.push(await breakLineSomehow(random, { line, sshd }));
  }
  await working(workers);
  await end(workers);
  const log = await pcscd.cards[0].log();
  const longest = Math.max(...workers.map(({ summary }) => summary.longest));
  print(
    `chaos: seed ${SEED}, ${log.length} commands, ${kinds.length} breaks (${tally(kinds)}), longest call ${longest} ms`,
  );
  mustHaveNoticedNothing(log, workers);
  attached.program.kill("SIGINT");
  expect(await attached.program.exited).toEqual({ status: 0, signal: undefined });
  await nothingIsLeft(sshd);
}, 1_800_000);

test("breaks longer than the lock time, and than the grace time: a clean error, and on it goes", async () => {
  await using stage = await scene();
  const { pcscd, sshd, line } = stage;
  await using attached = await stage.attach("--lock-time", "1", "--grace", "8");
  const workers = stage.workers(attached.env);
  await working(workers);
  for (const seconds of [4, 2, 12, 3, 14]) {
    await line.cut({ stayDown: true });
    await delay(seconds * 1_000);
    line.resume();
    await working(workers, 60_000);
  }
  await end(workers);
  mustBeOnceAndInOrder(await pcscd.cards[0].log(), workers);
  const codes = new Set(workers.flatMap(({ summary }) => summary.codes));
  // Reset, removed, no readers, and a command of unknown fate.
  const clean = /0x(80100068|80100069|80100017|80100009|8010002E|80100016)$/;
  expect([...codes].filter((code) => !clean.test(code))).toEqual([]);
  expect(codes.size).toBeGreaterThan(0);
  attached.program.kill("SIGINT");
  expect(await attached.program.exited).toEqual({ status: 0, signal: undefined });
  await nothingIsLeft(sshd);
}, 600_000);

test("kill -9 of the agent, and of cardwire: no command twice, locks freed, nothing left", async () => {
  const random = randomOf(SEED);
  await using stage = await scene();
  const { pcscd, sshd } = stage;
  let attached = await stage.attach("--grace", "3", "--lock-time", "2");
  try {
    const workers = stage.workers(attached.env);
    await working(workers);
    for (let killed = 0; killed < 12; killed += 1) {
      await delay(random() * 500);
      if (killed % 3 !== 2) {
        for (const pid of await keepers()) signal(pid, "SIGKILL");
      } else {
        attached.program.kill("SIGKILL");
        await attached.program.exited;
        attached = await stage.attach("--grace", "3", "--lock-time", "2");
      }
      await working(workers, 60_000);
    }
    await end(workers);
    mustBeOnceAndInOrder(await pcscd.cards[0].log(), workers);
    attached.program.kill("SIGINT");
    expect(await attached.program.exited).toEqual({ status: 0, signal: undefined });
    // That of a killed cardwire holds on for a while.
    await until("ssh to end by itself", async () => (await masters("alice")).length === 0, 10_000);
    await nothingIsLeft(sshd);
    // Nobody has the card any more.
    await until("the card to be free", async () => (await pcscd.readers())[0]?.sharing === 0);
  } finally {
    await attached[Symbol.asyncDispose]();
  }
}, 600_000);
