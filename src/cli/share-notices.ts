import { Watchable } from "../domain/watchable.ts";
import type { Io } from "./io.ts";
import { printable } from "./report.ts";
import type { ServiceManager } from "./service-manager.ts";
import type { Share } from "./share.ts";
import { lentJson, lentText, placeNotes } from "./share-screen.ts";

/** Tells what was made over there, once it is, and then what happens to the line. Ends with its signal. */
export async function shareNotices(
  { line: state, published: place, service, remark }: Share,
  {
    io,
    to,
    json,
    lendsAll,
    manager,
    signal,
  }: {
    io: Io;
    to: string;
    json: boolean;
    /** Whether all readers are lent, and not only those of a certain name. */
    lendsAll: boolean;
    manager: ServiceManager;
    signal: AbortSignal;
  },
): Promise<void> {
  let path: string | undefined;
  let isAway = false;
  let reason = "";
  for await (const [line, published] of together(state, place, { signal })) {
    if (!line.up || published === undefined) {
      const why = line.up ? "" : line.reason;
      if (why !== reason) io.err(`${to}: ${printable(why)}; trying again`);
      manager.trouble(to, why || "the socket is not there yet");
      reason = why;
      isAway = true;
      continue;
    }
    const found = { to, published, readers: service.readers };
    if (path !== published.path) {
      if (json) io.out(lentJson(found));
      else {
        if (path !== undefined) io.err(`${to}: the socket has another name now`);
        io.out(lentText(found));
      }
      if (path === undefined && !json) {
        io.err("Programs that compete for a card get it by chance, as pcscd gives it.");
        io.err("Ctrl-C ends the share and removes the socket there.");
      }
      const said = remark();
      for (const note of [...placeNotes(found), ...(said ? [said] : [])]) io.err(printable(note));
      if (!lendsAll && path === undefined && service.readers.length === 0)
        io.err("No reader here has such a name now; 'cardwire readers --local' lists them.");
    }
    if (isAway && path !== undefined) io.err(`${to}: the readers are there again`);
    manager.trouble(to, undefined);
    path = published.path;
    isAway = false;
    reason = "";
  }
}

/** Both values, whenever one of them changes, until `signal` aborts. */
async function* together<A, B>(
  one: Watchable<A>,
  other: Watchable<B>,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<readonly [A, B]> {
  const both = new Watchable<readonly [A, B]>([one.value, other.value]);
  const tell = async (which: Watchable<A> | Watchable<B>): Promise<void> => {
    for await (const _ of which.follow({ signal })) both.set([one.value, other.value]);
  };
  const told = Promise.all([tell(one), tell(other)]);
  yield* both.follow({ signal });
  await told;
}
