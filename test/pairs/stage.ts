import { type Pcscd, readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import type { Outcome, PcscClient } from "../pcsc/client.ts";
import type { Recorder } from "./results.ts";

/** What the parts of an exercise work with. */
export interface Stage {
  /** The program that is exercised. */
  readonly client: PcscClient;
  /** Starts another one of the same kind, on the same socket. */
  readonly another: () => PcscClient;
  readonly results: Recorder;
  readonly pcscd: Pick<Pcscd, "cards" | "readers">;
}

/** A reader with a card in it, and an empty one. */
export const [reader, emptyReader] = readerNames;

export const Share = { exclusive: 1, shared: 2, direct: 3 } as const;
export const Protocol = { t0: 1, t1: 2, any: 3, raw: 4 } as const;
export const Disposition = { leave: 0, reset: 1, unpower: 2, eject: 3 } as const;
/** SCARD_STATE_ bits. */
export const State = { empty: 0x10, present: 0x20, exclusive: 0x80, inUse: 0x100 } as const;

/** The test card's commands; see test/lab/card.ts. */
export const Apdu = {
  count: "80e8000001aa",
  verify: "8020000000",
  isVerified: "80ea0000",
} as const;

/** What SCardGetStatusChange may be given as known: state bits, and the counter that goes with them. */
export const known = (state: number, counter: number): number =>
  (state | ((counter & 0xffff) << 16)) >>> 0;

/** The states that SCardGetStatusChange told. */
export const statesOf = (outcome: Outcome): readonly { event: number; counter: number }[] =>
  outcome["states"] as readonly { event: number; counter: number }[];

/** Resolves when a context sees that state of the reader; a change of sharing is told late. */
export async function seen(
  { client }: Pick<Stage, "client">,
  context: string,
  what: (event: number) => boolean,
): Promise<true> {
  return await until(`${context} to see a state`, async () => {
    const now = await client.call("change", { context, readers: [[reader, 0]] });
    return what(statesOf(now)[0]?.event ?? 0) || undefined;
  });
}

/**
 * Pulls the first reader's card, or puts it in. Resolves when pcscd is done with that (its counter goes up last) and
 * the program's context can know: what lies between it and pcscd may be a line.
 */
export async function move(
  { client, pcscd }: Stage,
  how: "pull" | "insert",
  context: string,
): Promise<void> {
  const counter = async () => (await pcscd.readers())[0]?.eventCounter;
  const before = await counter();
  await pcscd.cards[0][how]();
  await until("pcscd to count", async () => (await counter()) !== before);
  const state = how === "pull" ? State.empty : State.present;
  await seen({ client }, context, (event) => (event & state) !== 0);
}

/** Whether a call is still under way. */
export async function isBlocked(call: Promise<unknown>): Promise<boolean> {
  const ended = call.then(
    () => true,
    () => true,
  );
  const nothing = new Promise<false>((resolve) => {
    setImmediate(() => resolve(false));
  });
  return !(await Promise.race([ended, nothing]));
}
