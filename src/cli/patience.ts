import { isSomebodyAsked } from "../host/asking.ts";
import type { Io } from "./io.ts";

/** How long a person looks at nothing before there is a word, ms; and before it is tried again. */
const PATIENCE_MS = 4_000;

/**
 * Tells a person at the terminal that it is still going on, in one line, once it takes long; not while somebody is
 * asked for a password, and never where the output is no terminal. Disposing it is the end of the waiting.
 */
export function tellIfSlow(io: Pick<Io, "err" | "isTerminal">, what: string): Disposable {
  let timer: NodeJS.Timeout | undefined;
  let isOver = io.isTerminal?.err !== true;
  const look = async (): Promise<void> => {
    const isAsked = await isSomebodyAsked();
    if (isOver) return;
    if (isAsked) timer = waiting();
    else io.err(`still ${what}; Ctrl-C gives up`);
  };
  const waiting = () => setTimeout(() => void look(), PATIENCE_MS).unref();
  if (!isOver) timer = waiting();
  return {
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
