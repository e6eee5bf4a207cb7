import { Command } from "../../wire/pcsclite/constants.ts";
import type { Barriers } from "./barriers.ts";
import type { Context } from "./handshake.ts";

/** How long pcscd may take to answer what nobody waits for any more, ms; then its connection is closed. */
const LAST_ANSWER_MS = 5_000;

/**
 * Ends a context and the handle on it as pcscd ends those of a dead client (protocol reference, section 5.7), and closes
 * its connection: after `inFlight` was answered, or 5 s have passed. Never rejects.
 *
 * Where nothing is in flight the release goes out at once, and is a barrier for its reader.
 */
export async function release(
  { connection, number }: Context,
  reader: string,
  { barriers, inFlight }: { barriers: Barriers; inFlight: Promise<unknown> | undefined },
): Promise<void> {
  if (inFlight === undefined || (await settlesInTime(inFlight))) {
    const released = connection.request(Command.ReleaseContext, { context: number, rv: 0 });
    barriers.add(reader, connection, released);
    await settlesInTime(released);
  }
  connection.close();
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
