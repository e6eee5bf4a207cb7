import type { Reader } from "./card-service.ts";
import { ReaderStateBit } from "./pcsc.ts";

/** In which state a reader is, in a word. */
export function stateText({ atr, stateBits }: Reader): string {
  if (atr) return "card";
  if ((stateBits & ReaderStateBit.Swallowed) !== 0) return "card that does not answer";
  if ((stateBits & ReaderStateBit.Unknown) !== 0) return "not available";
  return "empty";
}

/** A reader in `--json`. The meaning of a field never changes. */
export const readerJson = (reader: Reader) => ({
  reader: reader.name,
  state: stateText(reader),
  ...(reader.atr && { atr: Buffer.from(reader.atr).toString("hex") }),
  inUse: reader.sharing !== 0,
  exclusive: reader.sharing < 0,
  eventCounter: reader.eventCounter,
});
