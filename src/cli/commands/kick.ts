import { CardwireError, ProtocolError } from "../../domain/errors.ts";
import type { Io } from "../io.ts";
import { subcommand, wrongUsage } from "../options.ts";
import { printable } from "../report.ts";

export const kickCommand = (io: Io) =>
  subcommand("kick", "Take a card of this computer from whoever has it through serve", [
    "cardwire kick 'Yubico*'",
    ["cardwire kick --identity alice", "all cards that she has"],
  ])
    .argument("[reader]", "its name, or a glob (default: all)")
    .option("--identity <identity>", "only from this identity")
    .option("--json", "one JSON object a line, for scripts")
    .action(async (reader, { identity, json }) => {
      if (reader === undefined && identity === undefined)
        throw wrongUsage("nobody knows which card is meant", "cardwire kick READER");
      const { askServe } = await import("../../serve/ask-control.ts");
      const answer = await askServe({ do: "kick", reader, identity });
      if (!answer)
        throw new CardwireError("E_NO_SERVE", "no 'cardwire serve' of this user runs here", {
          hint: "Run this as the user of serve, such as: sudo -u cardwire cardwire kick READER",
        });
      if (!("kicked" in answer)) throw new ProtocolError("the running serve says something else");
      for (const one of answer.kicked)
        io.out(
          json
            ? JSON.stringify(one)
            : `${printable(one.reader)} was taken from ${printable(one.identity)}`,
        );
      if (answer.kicked.length === 0)
        io.err(identity === undefined ? "nobody has it" : `${printable(identity)} has none`);
    });
