import type { CardService } from "../../domain/card-service.ts";
import { SYSTEM_SOCKET } from "../../host/system-socket.ts";
import type { Io } from "../io.ts";
import { sshOption, subcommand } from "../options.ts";
import { readerJson, readersTable } from "../report.ts";
import { parseWhere, type Where } from "../where.ts";

export interface ReadersDeps {
  readonly io: Io;
  /** Opens the readers for the length of `use`. */
  readonly withReaders: (
    where: Where,
    options: { readonly ssh: string | undefined },
    use: (service: CardService) => void,
  ) => Promise<void>;
}

export const readersCommand = ({ io, withReaders }: ReadersDeps) =>
  subcommand("readers", "List readers and the cards in them", [
    "cardwire readers",
    "cardwire readers alice@cardhost --json",
  ])
    .argument(
      "[where]",
      "[user@]host, ssh://[user@]host[:port], or unix:PATH (default: what programs use here)",
    )
    .addOption(sshOption())
    .option("--json", "one JSON object a line, for scripts")
    .action(async (whereText, { json, ssh }) => {
      const here = `unix:${io.env["PCSCLITE_CSOCK_NAME"] ?? SYSTEM_SOCKET}`;
      await withReaders(parseWhere(whereText ?? here), { ssh }, ({ readers }) => {
        if (json) for (const reader of readers) io.out(JSON.stringify(readerJson(reader)));
        else if (readers.length === 0) io.err("No readers. Plug one in over there.");
        else io.out(readersTable(readers, ["READER", "STATE", "ATR"]));
      });
    });
