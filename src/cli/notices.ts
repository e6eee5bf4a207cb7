import { listen } from "../observe/events.ts";
import type { Io } from "./io.ts";
import type { OpenSource } from "./open-source.ts";
import { printable } from "./report.ts";

export interface NoticeOptions {
  /** Also what concerns single applications only. */
  readonly verbose: boolean;
  /** What is open already: how each place is called, and whether it is known to be away. */
  readonly sources?: readonly OpenSource[];
}

/** What is said when a link is there again, by what was said before. */
const BACK = {
  broken: "connected again",
  gone: "the readers are back",
  "not seen yet": "the readers are here",
} as const;

/** Tells a person what happens to an attachment while it runs. */
export function printNotices(io: Io, { verbose, sources = [] }: NoticeOptions): Disposable {
  const texts = new Map(sources.map(({ name, source }) => [name, source.text]));
  const called = (at: string) => printable(texts.get(at) ?? at);
  /** The places that are away, with what was said of them last. */
  const away = new Map<string, "broken" | "gone" | "not seen yet">();
  for (const { name, absence } of sources) if (absence) away.set(name, "not seen yet");
  const listeners = [
    listen("cardwire:pcscd", ({ at, state, reason }) => {
      const why = reason ? `: ${printable(reason)}` : "";
      const was = away.get(at);
      if (state === "up" && was)
        io.err(`${called(at)}: the readers are ${was === "not seen yet" ? "here" : "back"}`);
      if (state === "broken")
        io.err(`${called(at)}: the connection broke${verbose ? why : ""}; trying again`);
      if (state === "gone" && (was === undefined || was === "broken"))
        io.err(`${called(at)}: the readers are gone${why}; trying again`);
      if (state === "resting" && verbose)
        io.err(`${called(at)}: nobody uses the readers; pcscd may rest`);
      if (state === "up") away.delete(at);
      else if (state === "broken" || (state === "gone" && was !== "not seen yet"))
        away.set(at, state);
    }),
    listen("cardwire:link", ({ at, state, reason }) => {
      const why = reason ? `: ${printable(reason)}` : "";
      const was = away.get(at);
      if (state === "broken")
        io.err(`${called(at)}: the connection broke${verbose ? why : ""}; programs wait for it`);
      if (state === "gone") io.err(`${called(at)}: the readers are gone${why}; trying again`);
      if (state === "up" && was) io.err(`${called(at)}: ${BACK[was]}`);
      if (state === "up") away.delete(at);
      else away.set(at, state);
    }),
    listen("cardwire:blocked", ({ at, reader, connections }) =>
      io.err(
        `${called(at)}: ${connections} connects wait for the program that holds ${printable(reader)}; more have to queue`,
      ),
    ),
    listen("cardwire:card", ({ reader, from }) => {
      if (verbose) io.err(`${reader}: a card came in from ${from}`);
    }),
    listen("cardwire:trouble", ({ what }) => io.err(printable(what))),
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
