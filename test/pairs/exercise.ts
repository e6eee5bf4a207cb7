import type { Pcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { PcscClient, type Programs, SUCCESS } from "../pcsc/client.ts";
import { commands, connects, readerCalls } from "./cards.ts";
import { deaths, exclusive, transactions } from "./locks.ts";
import { removal, resets } from "./notices.ts";
import { Recorder, type Results } from "./results.ts";
import type { Stage } from "./stage.ts";
import { events, lists, states, waitFirst } from "./waits.ts";

/** The name of the first result, the only one where the other end refuses the program. */
export const FIRST = "establish";

async function isWelcome({ client, results }: Stage): Promise<boolean> {
  const { rv } = await results.call(FIRST, "establish", { context: "first" });
  if (rv === SUCCESS) await client.must("release", { context: "first" });
  return rv === SUCCESS;
}

/** In this order: the states come first, because counters are told from there on as differences. */
const PARTS = [
  lists,
  states,
  events,
  connects,
  commands,
  readerCalls,
  transactions,
  exclusive,
  deaths,
  resets,
  removal,
  waitFirst,
] as const;

export interface ExerciseOptions {
  /** Whose program, on whose libpcsclite. */
  readonly programs: Programs;
  /** Where it finds the readers: the daemon's own socket, or one that leads there. */
  readonly socket: string;
  readonly pcscd: Pick<Pcscd, "cards" | "readers">;
}

/**
 * Has a program do everything that PC/SC has, with the two readers of a lab's pcscd: the first has the test card, the
 * second none. It leaves them as it found them. What the program was told has a name each and can be compared with
 * what another program, or the same one elsewhere, was told: no handles, no times, counters as differences.
 *
 * @throws {Error} when a call does not come back, or one fails on which others rest.
 */
export async function exercise({ programs, socket, pcscd }: ExerciseOptions): Promise<Results> {
  const another = (): PcscClient => new PcscClient(socket, { programs });
  await using client = another();
  const results = new Recorder(client);
  const stage: Stage = { client, another, results, pcscd };
  if (!(await isWelcome(stage))) return results.results;
  for (const part of PARTS) await part(stage);
  const free = await until("the readers to be free", async () => {
    const readers = await pcscd.readers();
    return readers.every(({ sharing }) => sharing === 0);
  });
  results.note("all is given back", free);
  return results.results;
}
