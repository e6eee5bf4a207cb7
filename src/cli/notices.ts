import { listen } from "../observe/events.ts";
import type { Io } from "./io.ts";
import { printable } from "./report.ts";

/**
 * Tells a person what happens to an attachment while it runs.
 *
 * @param options.verbose also what concerns single applications only.
 */
export function printNotices(io: Io, { verbose }: { verbose: boolean }): Disposable {
  let isAway = false;
  const listeners = [
    listen("cardwire:pcscd", ({ at, state, reason }) => {
      const why = reason ? `: ${reason}` : "";
      if (state === "up" && isAway) io.err(`${at}: the readers are back`);
      if (state === "broken")
        io.err(`${at}: the connection broke${verbose ? why : ""}; trying again`);
      if (state === "gone") io.err(`${at}: the readers are gone${why}; trying again`);
      if (state === "resting" && verbose) io.err(`${at}: nobody uses the readers; pcscd may rest`);
      isAway = state === "broken" || state === "gone";
    }),
    listen("cardwire:blocked", ({ at, reader, connections }) =>
      io.err(
        `${at}: ${connections} connects wait for the program that holds ${printable(reader)}; more have to queue`,
      ),
    ),
    listen("cardwire:refused", ({ application, reason }) => {
      if (verbose) io.err(`${application}: hung up: ${reason}`);
    }),
  ];
  return {
    [Symbol.dispose]() {
      for (const one of listeners) one[Symbol.dispose]();
    },
  };
}
