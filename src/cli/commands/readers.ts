import { readerJson } from "../../domain/reader-json.ts";
import { type Exit, ExitCode, type Io } from "../io.ts";
import type { OpenReaders } from "../open.ts";
import { localOption, sshOption, subcommand, WHERE } from "../options.ts";
import { absenceLines, readersTable } from "../report.ts";
import { parseSources, type Source, whereHere } from "../sources.ts";

export interface ReadersDeps {
  readonly io: Io;
  readonly exit: Exit;
  /** Opens the readers for the length of `use`. */
  readonly withReaders: (
    sources: readonly Source[],
    options: { readonly ssh: string | undefined },
    use: (readers: OpenReaders) => void,
  ) => Promise<void>;
}

export const readersCommand = ({ io, exit, withReaders }: ReadersDeps) =>
  subcommand("readers", "List readers and the cards in them", [
    "cardwire readers",
    "cardwire readers alice@cardhost --json",
    "cardwire readers cardhost otherhost --local",
  ])
    .argument("[where...]", `${WHERE} (default: what programs use here)`)
    .addOption(localOption())
    .addOption(sshOption())
    .option("--json", "one JSON object a line, for scripts")
    .action(async (wheres, { json, local, ssh }) => {
      const asked = wheres.length > 0 || local ? wheres : [whereHere(io.env)];
      await withReaders(parseSources(asked, { local }), { ssh }, ({ service, sources }) => {
        const { readers } = service;
        for (const { source, absence } of sources) {
          if (absence === undefined) continue;
          for (const line of absenceLines(source.text, absence, { isTried: false })) io.err(line);
          exit(ExitCode.Failed);
        }
        if (json) for (const reader of readers) io.out(JSON.stringify(readerJson(reader)));
        else if (readers.length === 0) io.err("No readers. Plug one in over there.");
        else io.out(readersTable(readers, ["READER", "STATE", "ATR"]));
      });
    });
