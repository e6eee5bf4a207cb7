import { Option } from "@commander-js/extra-typings";
import type { Exit, Io } from "../io.ts";
import { subcommand } from "../options.ts";

const NEW_EXAMPLES = [
  "cardwire card new piv --name 'Alice Example'",
  "cardwire card new piv alice.card --name 'Alice Example' --algorithm eccp256",
  ["cardwire card new piv --name test --pin-file - --puk-file -", "asks at the terminal"],
] as const;

export const cardCommand = (io: Io, exit: Exit) =>
  subcommand("card", "Software cards: make one, and put it into a virtual reader", [
    "cardwire card new piv --name 'Alice Example'",
    "cardwire card piv alice-example.card",
  ])
    .addCommand(newCommand(io))
    .addCommand(pivCommand(io, exit));

const newCommand = (io: Io) =>
  subcommand("new", "Make a card, and the file that it lives in", NEW_EXAMPLES).addCommand(
    newPivCommand(io),
  );

const newPivCommand = (io: Io) =>
  subcommand(
    "piv",
    "Make a PIV card with a key and a self-signed certificate in each of its four slots",
    NEW_EXAMPLES,
  )
    .argument("[file]", "where to (default: made from the name, in this directory)")
    .requiredOption("--name <name>", "whose card it is, as in its certificates")
    .addOption(
      new Option(
        "--algorithm <algorithm>",
        "of all keys (default: rsa2048 in 9a and 9d, eccp256 in 9c and 9e)",
      ).choices(["rsa2048", "rsa3072", "rsa4096", "eccp256", "eccp384"] as const),
    )
    .option("--pin-file <path>", "a file with the PIN, six to eight digits; '-': ask")
    .option("--puk-file <path>", "a file with the PUK, six to eight characters; '-': ask")
    .option("--management-key-file <path>", "a file with the management key, in hex; '-': ask")
    .addOption(
      new Option("--management-algorithm <algorithm>", "of the management key")
        .choices(["3des", "aes128", "aes192", "aes256"] as const)
        .default("3des" as const),
    )
    .option("--json", "one JSON object, for scripts")
    .action(async (file, flags) => {
      const { makePivCard } = await import("../cards/make-piv-card.ts");
      await makePivCard({ file, ...flags }, io);
    });

const pivCommand = (io: Io, exit: Exit) =>
  subcommand("piv", "Put a PIV card into a reader of vsmartcard's vpcd, until Ctrl-C", [
    "cardwire card piv alice-example.card",
    ["cardwire card piv", "a new one, gone at the end"],
    ["cardwire card piv alice-example.card --vpcd 127.0.0.1:35964", "the second reader"],
  ])
    .argument("[file]", "as 'cardwire card new' made it (default: a new card, in memory only)")
    .option("--vpcd <host:port>", "where vpcd waits for cards", "127.0.0.1:35963")
    .action(async (file, { vpcd }) => {
      const { runPivCard } = await import("../cards/run-piv-card.ts");
      const { untilInterrupted } = await import("../until-interrupted.ts");
      await untilInterrupted(exit, (signal) => runPivCard({ file, vpcd }, { io, signal }));
    });
