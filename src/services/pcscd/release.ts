import { Disposition } from "../../domain/pcsc.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import type { Barriers } from "./barriers.ts";
import type { Connection } from "./connection.ts";
import type { Context } from "./handshake.ts";

/** How long pcscd may take to answer what nobody waits for any more, ms; then its connection is closed. */
const LAST_ANSWER_MS = 5_000;

/** The handle on a context that is to be released. */
export interface Left {
  readonly card: number;
  /** Whether it has the card to itself, by a transaction or by its share mode. */
  readonly holds: boolean;
}

interface ReleaseOptions {
  readonly barriers: Barriers;
  readonly inFlight: Promise<unknown> | undefined;
  /** Asked when nothing is in flight any more. */
  readonly left: () => Left | undefined;
}

/**
 * Ends a context and the handle on it as pcscd ends those of a dead client (protocol reference, section 5.7), and closes
 * its connection: after `inFlight` was answered, or 5 s have passed. Never rejects.
 *
 * Where nothing is in flight the release goes out at once, and is a barrier for its reader.
 */
export async function release(
  context: Context,
  reader: string,
  { barriers, inFlight, left }: ReleaseOptions,
): Promise<void> {
  const { connection, number } = context;
  if (inFlight === undefined || (await settlesInTime(inFlight))) {
    const handle = left();
    if (handle && connection.speech.order === "big") closeByHand(connection, handle);
    const released = connection.request(Command.ReleaseContext, { context: number, rv: 0 });
    barriers.add(reader, connection, released);
    await settlesInTime(released);
  }
  connection.close();
}

/**
 * What the release of a context does with its handle, for a daemon on a big-endian machine: one of 64 bits forgets the
 * handle, and keeps its lock for ever (seen with 1.9.9 for s390x). The end resets the card only where the handle still
 * has the lock and was told of no reset or removal since, as the release would. Their answers come before the release's.
 */
function closeByHand(connection: Connection, { card, holds }: Left): void {
  const answers = [
    ...(holds
      ? [{ command: Command.EndTransaction, disposition: Disposition.Reset } as const]
      : []),
    { command: Command.Disconnect, disposition: Disposition.Leave } as const,
  ].map(({ command, disposition }) => connection.request(command, { card, disposition, rv: 0 }));
  // Whether the connection ends before they come shows at the release.
  for (const answer of answers) answer.catch(() => {});
}

async function settlesInTime(promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), LAST_ANSWER_MS);
    timer.unref();
  });
  const settled = promise.then(
    () => true,
    () => true, // the connection ended, which is what we want
  );
  const inTime = await Promise.race([settled, late]);
  clearTimeout(timer);
  return inTime;
}
