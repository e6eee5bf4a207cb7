import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { splitCommand } from "../../carriers/ssh/split-command.ts";
import type { Io } from "../io.ts";
import { printable } from "../report.ts";
import { candidates, type Offer } from "./candidates.ts";
import { interpret } from "./interpret.ts";

/**
 * Answers what may stand at the cursor, for the scripts of `cardwire completion`: a line for each word, its meaning
 * behind a tab, and a last line for what else is to be done: `:done`, `:files N` (file names, behind the first N
 * characters of the word) or `:program N` (whatever completes the command line that begins with the word N).
 *
 * Never fails: nobody wants an error message in the middle of a line.
 *
 * @param request SHELL, then the words behind `cardwire` up to the cursor, the last one perhaps empty. bash's come as
 *   they were typed, others' without quotation marks.
 */
export async function complete(
  request: readonly string[],
  { io, top }: { io: Pick<Io, "env" | "out">; top: CommandUnknownOpts },
): Promise<void> {
  const [shell, ...typed] = request;
  const words = shell === "bash" ? typed.map(unquoted) : typed;
  const offer = await candidates(interpret(top, words), { io, top }).catch((): Offer => []);
  io.out(answer(offer).join("\n"));
}

function answer(offer: Offer): readonly string[] {
  if ("files" in offer) return [`:files ${offer.files}`];
  if ("program" in offer) return [`:program ${offer.program}`];
  // A name that could not stand in a line of this answer cannot be typed either.
  const lines = offer
    .filter(([word]) => !/[\s\p{C}]/u.test(word))
    .map(([word, about]) => (about ? `${word}\t${printable(about)}` : word));
  return [...lines, ":done"];
}

/** A word as bash would take it; one that is still being typed lacks its second quotation mark. */
function unquoted(word: string): string {
  for (const end of ["", '"', "'"]) {
    try {
      return splitCommand(word + end)[0];
    } catch {
      // not this one
    }
  }
  return word;
}
