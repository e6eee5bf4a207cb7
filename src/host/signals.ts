/** The signals that ask a program to end. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How long clean-up may take before a further signal ends the process at once, ms. */
export const CLEAN_UP_MS = 5_000;

/** Until disposed, the signals that ask the process to end abort `signal` instead. */
export interface UntilSignal extends Disposable {
  readonly signal: AbortSignal;
  /** The first one that came. */
  readonly received: NodeJS.Signals | undefined;
}

/**
 * Turns SIGINT, SIGTERM and SIGHUP into an abort, so that there is time to clean up. An impatient second one changes
 * nothing; one that comes when clean-up has taken longer than `CLEAN_UP_MS` ends the process as if we were not here.
 */
export function untilSignal(): UntilSignal {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  let since = 0;
  const onSignal = (name: NodeJS.Signals) => {
    if (received === undefined) {
      received = name;
      since = performance.now();
      controller.abort();
    } else if (performance.now() - since > CLEAN_UP_MS) {
      stopListening();
      process.kill(process.pid, name);
    }
  };
  const stopListening = () => {
    for (const name of ENDING) process.off(name, onSignal);
  };
  for (const name of ENDING) process.on(name, onSignal);
  return {
    signal: controller.signal,
    get received() {
      return received;
    },
    [Symbol.dispose]: stopListening,
  };
}
