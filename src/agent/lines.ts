import type { Readable } from "node:stream";
import { MAX_LINE } from "./order.ts";

/**
 * Takes bytes off a stream up to the end of a line, and leaves the rest in the stream.
 *
 * @returns the line without its end; undefined when the stream ends before.
 * @throws {Error} the stream's, or that the line is too long.
 */
export async function readLine(
  stream: Readable,
  { signal }: { signal: AbortSignal },
): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    signal.throwIfAborted();
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) {
      if (!(await isReadable(stream, signal))) return undefined;
      continue;
    }
    const end = chunk.indexOf(0x0a);
    if (end < 0) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_LINE) throw new RangeError("a line is too long");
      continue;
    }
    const rest = chunk.subarray(end + 1);
    if (rest.length > 0) stream.unshift(rest);
    chunks.push(chunk.subarray(0, end));
    return Buffer.concat(chunks).toString("utf8").replace(/\r$/, "");
  }
}

/** Takes one byte off a stream. @returns undefined when the stream ends before. */
export async function readByte(
  stream: Readable,
  { signal }: { signal: AbortSignal },
): Promise<number | undefined> {
  for (;;) {
    signal.throwIfAborted();
    const chunk = stream.read(1) as Buffer | null;
    if (chunk !== null) return chunk[0];
    if (!(await isReadable(stream, signal))) return undefined;
  }
}

/** Waits for more. @returns false at the end. @throws the stream's error, or the signal's reason. */
function isReadable(stream: Readable, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (how: () => void): void => {
      for (const [event, on] of Object.entries(handlers)) stream.off(event, on);
      signal.removeEventListener("abort", onAbort);
      how();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const handlers = {
      readable: () => settle(() => resolve(true)),
      end: () => settle(() => resolve(false)),
      close: () => settle(() => resolve(false)),
      error: (error: Error) => settle(() => reject(error)),
    };
    if (stream.readableEnded || stream.destroyed) {
      resolve(false);
      return;
    }
    for (const [event, on] of Object.entries(handlers)) stream.on(event, on);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
