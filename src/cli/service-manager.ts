import { Watchable } from "../domain/watchable.ts";
import { isManaged, notifyReady, notifyStatus, notifyStopping } from "../host/systemd.ts";
import { listen } from "../observe/events.ts";
import type { Io } from "./io.ts";

/** What the service manager is told while something runs. Disposing tells it that the end was asked for. */
export interface ServiceManager extends AsyncDisposable {
  /** Another line for people to stand where all is well, such as how many readers there are. */
  readonly describe: (status: string) => void;
}

/**
 * Tells the service manager, if there is one, that programs can use what runs here, and from then on how its lines to
 * the card hosts are: `status` while all of them are up, else which are not, and why.
 */
export async function tellServiceManager(
  status: string,
  { io }: { io: Io },
): Promise<ServiceManager> {
  if (!isManaged()) return { describe: () => {}, [Symbol.asyncDispose]: async () => {} };
  const troubles = new Map<string, string>();
  const line = new Watchable(status);
  let calm = status;
  const show = () =>
    line.set(troubles.size === 0 ? calm : [...troubles.values()].toSorted().join("; "));
  const listener = listen("cardwire:pcscd", ({ at, state, reason }) => {
    if (state === "broken" || state === "gone")
      troubles.set(at, `${at}: ${state}${reason === undefined ? "" : `: ${reason}`}`);
    else troubles.delete(at);
    show();
  });
  const tell = complainingOnce(io);
  await tell(notifyReady({ status }));
  const stop = new AbortController();
  const told = (async () => {
    let said = status;
    for await (const text of line.follow({ signal: stop.signal })) {
      if (text !== said) await tell(notifyStatus(text));
      said = text;
    }
  })();
  return {
    describe(text) {
      calm = text;
      show();
    },
    async [Symbol.asyncDispose]() {
      listener[Symbol.dispose]();
      stop.abort();
      await told;
      await tell(notifyStopping());
    },
  };
}

/** Waits for a message to be told. That it cannot be is no reason to end: a person hears of the first time. */
function complainingOnce(io: Io): (message: Promise<void>) => Promise<void> {
  let complained = false;
  return async (message) => {
    try {
      await message;
    } catch (error) {
      if (!complained)
        io.err(
          `the service manager cannot be told: ${error instanceof Error ? error.message : ""}`,
        );
      complained = true;
    }
  };
}
