import { expect, test } from "vitest";
import { attach } from "../faults/attached.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { startSshd } from "../lab/sshd.ts";
import { expectSound } from "../load/expectations.ts";
import { type WakeUp, type Work, wakeUp, work } from "../load/load.ts";
import { type Figures, median } from "../load/process-figures.ts";

// Many applications at one attachment, over a Unix socket and over ssh. Prints what docs/benchmarks.md has.

const WAITING = 300;
/** How often a card wakes them. */
const ROUNDS = 5;
const WORKING = 50;
/** For so long they work, seconds. */
const SECONDS = Number(process.env["CARDWIRE_LOAD_SECONDS"] ?? 300);

const ways = ["unix", "ssh"] as const;

/** A way from alice's attachment to a pcscd. */
async function reach(way: (typeof ways)[number], pcscd: Pcscd) {
  if (way === "unix") return await attach([`unix:${pcscd.socketPath}`]);
  const sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  const installed = await sshd.installFor("alice");
  const attached = await attach(["cardhost", "--via", "forward"]);
  return {
    ...attached,
    async [Symbol.asyncDispose]() {
      await attached[Symbol.asyncDispose]();
      await installed[Symbol.asyncDispose]();
      await sshd[Symbol.asyncDispose]();
    },
  };
}

test.each(ways)(
  `over %s, ${WAITING} wait for a card`,
  async (way) => {
    const rounds: WakeUp[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await using pcscd = await startPcscd();
      await using attached = await reach(way, pcscd);
      rounds.push(await wakeUp({ pcscd, attached }, WAITING));
    }
    for (const { daemonSockets } of rounds) expect(daemonSockets).toBeLessThan(16);
    const middle = (of: keyof WakeUp) => Math.round(median(rounds.map((one) => one[of])));
    tell(
      `${way}: ${WAITING} waiting, medians of ${ROUNDS}: daemon ${middle("daemonSockets")} sockets; woken after ` +
        `${middle("medianMs")} ms, the last after ${middle("lastMs")} ms; cardwire ${middle("cpuMs")} ms of processor ` +
        `time, ${middle("memory")} MB`,
    );
  },
  600_000,
);

test.each(ways)(
  `over %s, ${WORKING} work at once`,
  async (way) => {
    await using pcscd = await startPcscd();
    await using attached = await reach(way, pcscd);
    const done = await work(
      { pcscd, attached },
      { count: WORKING, seconds: SECONDS, seed: way, everyMs: 5_000 },
    );
    tell(`${way}: ${WORKING} working for ${SECONDS} s\n${describe(done)}`);
    expectSound(done);
  },
  SECONDS * 1_000 + 240_000,
);

const tell = (text: string): void => void process.stdout.write(`${text}\n`);

function describe({ calls, deaths, before, during, after }: Work): string {
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const series = (of: "cardwire" | "pcscd", figure: keyof Figures) =>
    during.map((one) => Math.round(one[of][figure]));
  const fromTo = (of: "cardwire" | "pcscd", figure: keyof Figures) =>
    `${Math.round(before[of][figure])} before, ${Math.max(...series(of, figure))} at most, ${Math.round(after[of][figure])} after`;
  return [
    `calls ${total}, deaths ${deaths}; ${JSON.stringify(calls)}`,
    `cardwire: descriptors ${fromTo("cardwire", "descriptors")}; memory, MB: ${fromTo("cardwire", "memory")}`,
    `cardwire memory every 5 s, MB: ${series("cardwire", "memory").join(" ")}`,
    `cardwire processor time: ${Math.round(after.cardwire.cpu - before.cardwire.cpu)} ms`,
    `pcscd: sockets ${fromTo("pcscd", "sockets")}; threads ${fromTo("pcscd", "threads")}; memory, MB: ${fromTo("pcscd", "memory")}`,
  ].join("\n");
}
