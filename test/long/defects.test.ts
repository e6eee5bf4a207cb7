import { expect, test } from "vitest";
import { client } from "../defects/sockets.ts";
import { attach } from "../interop/programs/cardwire.ts";
import type { CardHandle } from "../lab/card-handle.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { daemonOf, suite } from "../lab/suites.ts";
import { here, type PcscClient, type Programs, SUCCESS } from "../pcsc/client.ts";

// pcscd of 2.5.x sends an event into the middle of an array, and SCardGetStatusChange fails for no reason: a few of ten
// thousand calls while cards come and go. The short version, which does it every time, is with a simulated daemon.

/** Calls through cardwire by each library, none of which may fail. */
const CALLS = Number(process.env["DEFECTS_CALLS"] ?? 100_000);
/** Calls directly until one fails, at most. One of 10,000 did with the least affected library. */
const DIRECT_CALLS = 200_000;
/** Calls that are made in one go: a few seconds. */
const BATCH = 5_000;
/** For all of it, ms. */
const LIMIT_MS = 1_800_000;

/** In the second slot, since an event shifts what stands behind it. */
const [, WATCHED] = readerNames;

const libraries: readonly (readonly [string, () => Programs])[] = [
  ["Debian 11", () => suite("bullseye")],
  ["this computer", () => here],
  ["Debian 13", () => suite("trixie")],
  ["Debian unstable", () => suite("sid")],
];

/** Asks for the state until `enough`. @returns how often each code came. */
async function poll(
  program: PcscClient,
  enough: (ends: ReadonlyMap<string, number>, calls: number) => boolean,
): Promise<ReadonlyMap<string, number>> {
  const total = new Map<string, number>();
  for (let calls = 0; !enough(total, calls); calls += BATCH) {
    const readers = [[WATCHED, 0]];
    const { ends } = await program.must("poll", { context: "a", readers, times: BATCH });
    for (const [rv, times] of Object.entries(ends as Record<string, number>))
      total.set(rv, (total.get(rv) ?? 0) + times);
  }
  return total;
}

const failures = (ends: ReadonlyMap<string, number>): number =>
  [...ends].reduce((sum, [rv, times]) => sum + (rv === SUCCESS ? 0 : times), 0);

const print = (who: string, ends: ReadonlyMap<string, number>): void => {
  process.stdout.write(`${who}: ${JSON.stringify(Object.fromEntries(ends))}\n`);
};

/** Takes the cards out and puts them back, as fast as pcscd notices. Resolves when told to end. */
async function move(cards: readonly CardHandle[], ended: () => boolean): Promise<number> {
  let moves = 0;
  await Promise.all(
    cards.map(async (card) => {
      while (!ended()) {
        await card.pull();
        await card.insert();
        moves += 2;
      }
    }),
  );
  return moves;
}

test(
  "events of 2.5.x in the middle of arrays: some calls fail directly, none through cardwire",
  async () => {
    await using pcscd = await startPcscd({ ...daemonOf(suite("sid")), cards: [{}, {}] });
    await using attached = await attach([`unix:${pcscd.socketPath}`]);
    let isOver = false;
    const moving = move(pcscd.cards, () => isOver);
    try {
      for (const [name, programs] of libraries) {
        const options = { user: "alice", programs: programs() } as const;
        await using direct = await client(pcscd.socketPath, options);
        await direct.must("list", { context: "a" });
        const failed = await poll(
          direct,
          (ends, calls) => failures(ends) > 0 || calls >= DIRECT_CALLS,
        );
        print(`${name}, directly`, failed);
        expect(failures(failed)).toBeGreaterThan(0);

        await using through = await client(attached.socket, options);
        await through.must("list", { context: "a" });
        const ends = await poll(through, (_, calls) => calls >= CALLS);
        print(`${name}, through cardwire`, ends);
        expect(Object.fromEntries(ends)).toEqual({ [SUCCESS]: Math.ceil(CALLS / BATCH) * BATCH });
      }
    } finally {
      isOver = true;
      process.stdout.write(`cards moved: ${await moving}\n`);
    }
  },
  LIMIT_MS,
);
