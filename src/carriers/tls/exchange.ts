import type { Duplex } from "node:stream";
import { CardwireError } from "../../domain/errors.ts";

/** Longest message, bytes: a chain of certificates is a few thousand. */
const MAX_MESSAGE = 64 << 10;
/** How long one message may take, ms. */
const MESSAGE_MS = 10_000;

/** Sends one message: a line of JSON, and the end. */
export function say(stream: Duplex, message: object): void {
  stream.end(`${JSON.stringify(message)}\n`);
}

/** Sends one message, and leaves the stream open for the answer. */
export function ask(stream: Duplex, message: object): void {
  stream.write(`${JSON.stringify(message)}\n`);
}

/**
 * Takes one message off a stream; whatever comes behind it is of no interest.
 *
 * @returns what JSON made of it, which anybody may have sent.
 * @throws {CardwireError} `E_PROTOCOL` when none comes, or it is too long or no JSON.
 */
export async function hear(
  stream: Duplex,
  { signal, most = MAX_MESSAGE }: { readonly signal: AbortSignal; readonly most?: number },
): Promise<unknown> {
  const line = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (act: () => void) => {
      clearTimeout(late);
      signal.removeEventListener("abort", abort);
      stream.off("data", take).off("close", closed).off("end", closed);
      stream.pause();
      act();
    };
    const fail = (why: string) => settle(() => reject(new CardwireError("E_PROTOCOL", why)));
    const abort = () => settle(() => reject(signal.reason));
    const closed = () => fail("the other end hung up before it said what it wanted to");
    const take = (chunk: Buffer) => {
      const end = chunk.indexOf("\n");
      size += end < 0 ? chunk.length : end;
      if (size > most) return fail("the other end's message is too long");
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      if (end >= 0) settle(() => resolve(Buffer.concat(chunks)));
    };
    const late = setTimeout(() => fail("the other end says nothing"), MESSAGE_MS);
    signal.addEventListener("abort", abort, { once: true });
    stream.on("data", take).once("close", closed).once("end", closed);
    if (signal.aborted) abort();
    else if (stream.destroyed) closed();
  });
  try {
    return JSON.parse(line.toString("utf8")) as unknown;
  } catch {
    throw new CardwireError("E_PROTOCOL", "the other end's message is no JSON"); // what it is may be secret
  }
}
