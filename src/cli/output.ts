import { errorCode } from "../host/error-code.ts";

/** A reader that has seen enough, and a terminal that was closed: no reason to leave anything undone. */
const nobodyListens: ReadonlySet<string | undefined> = new Set(["EPIPE", "EIO"]);

/**
 * Keeps what cannot be printed from ending the process, in the middle of what it does. Where somebody would miss it, as
 * in a file on a full disk, it is said on standard error.
 *
 * @returns whether something was lost like that.
 */
export function watchOutput(out: NodeJS.WriteStream, err: NodeJS.WriteStream): () => boolean {
  let isLost = false;
  for (const stream of [out, err])
    stream.on("error", (error: unknown) => {
      const code = errorCode(error);
      if (isLost || nobodyListens.has(code)) return;
      isLost = true;
      const why = code === "ENOSPC" ? "no space left" : (code ?? String(error));
      if (stream === out) err.write(`cardwire: standard output cannot be written: ${why}\n`);
    });
  return () => isLost;
}
