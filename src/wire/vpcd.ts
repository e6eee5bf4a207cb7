import { ProtocolError } from "../domain/errors.ts";
import { ByteQueue } from "./byte-queue.ts";

// The protocol between vsmartcard's virtual reader and a virtual card: each message is its length, 2 bytes, big-endian,
// and so many bytes. What the reader sends in one byte is an order; anything longer is a command APDU. The card answers
// the order for its ATR, and every command.

/** What a reader orders of a card. */
export const VpcdOrder = { PowerOff: 0, PowerOn: 1, Reset: 2, Atr: 4 } as const;

/** The reader of one slot listens at this TCP port, that of the next at the next. */
export const VPCD_PORT = 35_963;

/** The longest message. */
export const MAX_VPCD_MESSAGE = 0xffff;

const LENGTH_BYTES = 2;

/** One message, ready to be sent in one piece. @throws {ProtocolError} when it is longer than 65,535 bytes. */
export function encodeVpcd(message: Uint8Array): Uint8Array {
  if (message.length > MAX_VPCD_MESSAGE)
    throw new ProtocolError(`vpcd's protocol carries 65,535 bytes, not ${message.length}`);
  const bytes = new Uint8Array(LENGTH_BYTES + message.length);
  new DataView(bytes.buffer).setUint16(0, message.length);
  bytes.set(message, LENGTH_BYTES);
  return bytes;
}

/** Chunks of a byte stream → messages, each whole. */
export class VpcdDecoder {
  readonly #bytes = new ByteQueue();

  push(chunk: Uint8Array): void {
    this.#bytes.push(chunk);
  }

  /** Undefined until the next message is whole. */
  next(): Uint8Array | undefined {
    const head = this.#bytes.peek(LENGTH_BYTES);
    if (!head) return undefined;
    const length = new DataView(head.buffer, head.byteOffset).getUint16(0);
    if (this.#bytes.length < LENGTH_BYTES + length) return undefined;
    this.#bytes.take(LENGTH_BYTES);
    return this.#bytes.take(length);
  }
}
