import type { Reader } from "../../domain/card-service.ts";
import { ProtocolError } from "../../domain/errors.ts";
import { MAX_READERS } from "./frames.ts";
import { Index, NEW, ReaderRecord } from "./layouts.ts";

/** A reader, and whether others than this link's programs may have its card for themselves. */
export interface LinkedReader extends Reader {
  readonly othersMayHold: boolean;
}

/** Whether nothing of a reader has changed. */
export function isSameReader(one: LinkedReader, other: LinkedReader): boolean {
  return (
    one.name === other.name &&
    one.stateBits === other.stateBits &&
    one.sharing === other.sharing &&
    one.protocol === other.protocol &&
    one.eventCounter === other.eventCounter &&
    one.othersMayHold === other.othersMayHold &&
    (one.atr === other.atr || Buffer.compare(one.atr ?? NONE, other.atr ?? NONE) === 0)
  );
}

/** What changes `before` into `now`: for each reader its place in `before`, or all of it where that differs. */
export function encodeReaders(
  before: readonly LinkedReader[],
  now: readonly LinkedReader[],
): { readonly length: number; readonly tail: Uint8Array } {
  const parts = now.slice(0, MAX_READERS).flatMap((reader) => {
    const index = before.findIndex((old) => isSameReader(old, reader));
    if (index >= 0) return [Index.encode({ index }, "big")];
    return [Index.encode({ index: NEW }, "big"), ReaderRecord.encode(recordOf(reader), "big")];
  });
  return { length: Math.min(now.length, MAX_READERS), tail: Buffer.concat(parts) };
}

/** @throws {ProtocolError} when that is no such change. */
export function decodeReaders(
  before: readonly LinkedReader[],
  length: number,
  tail: Uint8Array,
): readonly LinkedReader[] {
  if (length > MAX_READERS) throw new ProtocolError(`${length} readers are too many`);
  const readers: LinkedReader[] = [];
  let at = 0;
  while (readers.length < length) {
    if (tail.length < at + Index.size) throw new ProtocolError("a list of readers ends too early");
    const { index } = Index.decode(tail.subarray(at), "big");
    at += Index.size;
    if (index === NEW) {
      if (tail.length < at + ReaderRecord.size)
        throw new ProtocolError("a list of readers ends too early");
      readers.push(readerOf(ReaderRecord.decode(tail.subarray(at), "big")));
      at += ReaderRecord.size;
      continue;
    }
    const old = before[index];
    if (!old) throw new ProtocolError(`there was no reader ${index}`);
    readers.push(old);
  }
  if (at !== tail.length) throw new ProtocolError("there is more behind a list of readers");
  return readers;
}

const NONE = new Uint8Array(0);
const MAX_ATR = 33;

type Record = ReturnType<typeof ReaderRecord.decode>;

const recordOf = ({ othersMayHold, atr, ...reader }: LinkedReader): Record => ({
  ...reader,
  othersMayHold: othersMayHold ? 1 : 0,
  atrLength: atr?.length ?? 0,
  atr: atr ?? NONE,
});

function readerOf({ othersMayHold, atrLength, atr, ...reader }: Record): LinkedReader {
  if (atrLength > MAX_ATR) throw new ProtocolError(`an ATR does not have ${atrLength} bytes`);
  return {
    ...reader,
    ...(atrLength > 0 && { atr: atr.subarray(0, atrLength) }),
    othersMayHold: othersMayHold !== 0,
  };
}
