import { Command, MAJOR } from "../../wire/pcsclite/constants.ts";
import type { Connection } from "./connection.ts";

/** How many exchanges are timed. */
const TRIALS = 3;

/**
 * How long one exchange takes, ms: the least of three.
 *
 * @param signal closes the connection when it aborts.
 * @throws {CardwireError} `E_PCSCD_GONE` when the connection ends.
 */
export async function roundTrip(connection: Connection, signal: AbortSignal): Promise<number> {
  const { minor } = connection.speech.dialect;
  const close = () => connection.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    const times: number[] = [];
    for (let trial = 0; trial < TRIALS; trial++) {
      const start = performance.now();
      await connection.request(Command.Version, { major: MAJOR, minor, rv: 0 });
      times.push(performance.now() - start);
    }
    return Math.min(...times);
  } finally {
    signal.removeEventListener("abort", close);
  }
}
