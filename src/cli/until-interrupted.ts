import { untilSignal } from "../host/signals.ts";
import type { Exit } from "./io.ts";

/**
 * Runs a command that SIGINT, SIGTERM and SIGHUP end. One that fails because of such a signal ends as the signal ends
 * other programs, without a word; one that had nothing more to do ends well.
 */
export async function untilInterrupted(
  exit: Exit,
  command: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  using signals = untilSignal();
  try {
    await command(signals.signal);
  } catch (error) {
    if (signals.received === undefined) throw error;
    exit(signals.received);
  }
}
