import { type Events, listen } from "../../observe/events.ts";
import type { Io } from "../io.ts";
import { printable } from "../report.ts";

type Visit = Events["cardwire:visitor"];

/** What is said of a visit; undefined where it concerns nobody but who wants to know everything. */
const words: Readonly<Record<Visit["what"], (visit: Visit) => string>> = {
  came: ({ identity, address }) => `${identity} came in from ${address}`,
  left: ({ identity, address }) => `${identity} left (${address})`,
  joined: ({ identity, address }) => `${identity} joined from ${address}`,
  renewed: ({ identity, address }) => `the certificate of ${identity} was renewed (${address})`,
  refused: ({ identity, address, reason }) =>
    `${[identity, address].filter(Boolean).join(", ") || "somebody"} was refused: ${reason}`,
  dismissed: ({ identity, reason }) => `the links of ${identity} were ended: ${reason}`,
};

const ALWAYS: ReadonlySet<Visit["what"]> = new Set(["joined", "dismissed"]);

/** Tells a person who comes and goes while the readers are offered. */
export function printVisitors(io: Io, { verbose }: { readonly verbose: boolean }): Disposable {
  const visitors = listen("cardwire:visitor", (visit) => {
    if (!verbose && !ALWAYS.has(visit.what)) return;
    const { what, times = 1 } = visit;
    io.err(printable(words[what](visit) + (times > 1 ? `, ${times} times` : "")));
  });
  const limits = listen("cardwire:limit", ({ identity, what, most }) => {
    io.err(printable(`${identity} wants more than ${most} ${what}`));
  });
  return {
    [Symbol.dispose]() {
      visitors[Symbol.dispose]();
      limits[Symbol.dispose]();
    },
  };
}
