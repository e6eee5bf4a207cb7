import { Watchable } from "../domain/watchable.ts";
import { isManaged, notifyReady, notifyStatus, notifyStopping } from "../host/systemd.ts";
import { type Events, listen } from "../observe/events.ts";
import type { Io } from "./io.ts";
import type { OpenSource } from "./open-source.ts";

/** What the service manager is told while something runs. Disposing tells it that the end was asked for. */
export interface ServiceManager extends AsyncDisposable {
  /** Why a place is out of reach; undefined when it is not, any more. For lines that no event tells of. */
  readonly trouble: (place: string, what: string | undefined) => void;
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
  if (!isManaged()) return { trouble: () => {}, [Symbol.asyncDispose]: async () => {} };
  const texts = new Map(sources.map(({ name, source }) => [name, source.text]));
  const troubles = new Map<string, string>();
  for (const { source, absence } of sources)
    if (absence) troubles.set(source.text, `not there: ${absence.message}`);
  const text = () => [...troubles].map(([at, what]) => `${at}: ${what}`).join("; ") || status;
  const line = new Watchable(text());
  const trouble: ServiceManager["trouble"] = (at, what) => {
    if (what === undefined) troubles.delete(at);
    else troubles.set(at, what);
    line.set(text());
  };
  const heard = ({ at, state, reason }: Events["cardwire:pcscd" | "cardwire:link"]) => {
    const isAway = state === "broken" || state === "gone";
    const what = reason === undefined ? state : `${state}: ${reason}`;
    trouble(texts.get(at) ?? at, isAway ? what : undefined);
  };
  const listeners = [listen("cardwire:pcscd", heard), listen("cardwire:link", heard)];
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
    trouble,
    async [Symbol.asyncDispose]() {
      for (const one of listeners) one[Symbol.dispose]();
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
