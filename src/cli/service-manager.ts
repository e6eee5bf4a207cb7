import { Watchable } from "../domain/watchable.ts";
import { isManaged, notifyReady, notifyStatus, notifyStopping } from "../host/systemd.ts";
import { listen } from "../observe/events.ts";
import type { Io } from "./io.ts";
import type { OpenSource } from "./open-source.ts";

/** What the service manager is told while something runs. Disposing tells it that the end was asked for. */
export interface ServiceManager extends AsyncDisposable {
  /** Another line for people to stand where all is well, such as how many readers there are. */
  readonly describe: (status: string) => void;
}

/**
 * Tells the service manager, if there is one, that programs can use what runs here, and from then on how its lines to
 * the card hosts are: `status` while all of them are up, else which are not, and why.
 *
 * @param context.sources what is open already: how each place is called, and whether it is known to be away.
 */
export async function tellServiceManager(
  status: string,
  { io, sources = [] }: { readonly io: Io; readonly sources?: readonly OpenSource[] },
): Promise<ServiceManager> {
  if (!isManaged()) return { describe: () => {}, [Symbol.asyncDispose]: async () => {} };
  const texts = new Map(sources.map(({ carrier, source }) => [carrier.name, source.text]));
  const trouble = (at: string, what: string) => `${texts.get(at) ?? at}: ${what}`;
  const troubles = new Map<string, string>();
  for (const { carrier, service } of sources)
    if (service.absence)
      troubles.set(carrier.name, trouble(carrier.name, `not there: ${service.absence.message}`));
  let calm = status;
  const text = () => (troubles.size === 0 ? calm : [...troubles.values()].toSorted().join("; "));
  const line = new Watchable(text());
  const show = () => line.set(text());
  const listener = listen("cardwire:pcscd", ({ at, state, reason }) => {
    if (state === "broken" || state === "gone")
      troubles.set(at, trouble(at, reason === undefined ? state : `${state}: ${reason}`));
    else troubles.delete(at);
    show();
  });
  const tell = complainingOnce(io);
  let said = line.value;
  await tell(notifyReady({ status: said }));
  const stop = new AbortController();
  const told = (async () => {
    for await (const news of line.follow({ signal: stop.signal })) {
      if (news !== said) await tell(notifyStatus(news));
      said = news;
    }
  })();
  return {
    describe(news) {
      calm = news;
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
