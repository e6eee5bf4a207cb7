import { ProtocolError } from "../../domain/errors.ts";
import { ByteQueue } from "../byte-queue.ts";
import { messageOf } from "../message.ts";
import type { ByteOrder } from "../struct.ts";
import { type Body, type Call, callOf, checkLength, type Request } from "./calls.ts";
import { Command, MAX_ATTRIBUTE, MAX_PAYLOAD } from "./constants.ts";
import { type Dialect, dialectOf, withShortNames } from "./dialects.ts";
import { Connect100, Header } from "./layouts.ts";
import type { Speech } from "./replies.ts";

/** The longest request, bytes: header, TRANSMIT's struct and its payload. */
export const MAX_REQUEST = 8 + 32 + MAX_PAYLOAD;

const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/**
 * The order in which the peer writes integers, from its first header: commands are 0x01 to 0x17, so exactly one end
 * of the second word is not zero (protocol reference, section 7).
 *
 * @param header the first 8 bytes of a connection.
 * @throws {ProtocolError} when it is no pcsc-lite header in either order.
 */
export function byteOrderOf(header: Uint8Array): ByteOrder {
  const [low, b, c, high] = [header[4], header[5], header[6], header[7]];
  if (b === 0 && c === 0 && low !== 0 && high === 0) return "little";
  if (b === 0 && c === 0 && low === 0 && high !== 0) return "big";
  throw new ProtocolError("the peer does not speak pcsc-lite's protocol");
}

/**
 * The requests in a byte stream, however its chunks fall: {@link push} what arrives, then take {@link next} until it
 * returns `undefined`. Lengths are checked before any memory depends on them. `dialect` may be changed between two
 * requests, as a VERSION request does.
 */
export class RequestDecoder {
  dialect: Dialect;
  readonly #input = new ByteQueue();
  #order: ByteOrder | undefined;

  constructor(dialect: Dialect = dialectOf(4)) {
    this.dialect = dialect;
  }

  /** The peer's byte order, known from its first request on. */
  get order(): ByteOrder {
    return this.#order ?? "little";
  }

  /** Bytes that were pushed and belong to no request yet. */
  get buffered(): number {
    return this.#input.length;
  }

  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /**
   * The next whole request, or `undefined` until more bytes are pushed. The payload is valid until the next push.
   *
   * @throws {ProtocolError} for an unknown command, a struct of the wrong size, or a length over its limit. The stream
   *   is of no more use then.
   */
  next(): Request | undefined {
    const head = this.#input.peek(Header.size);
    if (!head) return undefined;
    this.#order ??= byteOrderOf(head);
    const { size, command } = Header.decode(head, this.#order);
    const call = callOf(command);
    if (!call) throw new ProtocolError(`unknown command ${hex(command)}`);
    if (command === Command.Connect && size === Connect100.size && this.dialect.minor === 2)
      this.dialect = withShortNames(this.dialect); // releases up to 1.8.3 show their shorter names here first
    const layout = call.layout(this.dialect);
    // A daemon does not look at the size of a command without a body (section 1.2).
    if (layout.size > 0 && size !== layout.size)
      throw new ProtocolError(`${call.name} has ${size} bytes, not ${layout.size}`);
    const fixed = Header.size + layout.size;
    const start = this.#input.peek(fixed);
    if (!start) return undefined;
    const body = layout.decode(start.subarray(Header.size), this.#order);
    const length = call.sends?.(body) ?? 0;
    checkLength(call, "announces", length, MAX_PAYLOAD);
    checkLength(call, "announces", call.fills?.(body) ?? 0, MAX_ATTRIBUTE);
    const whole = this.#input.take(fixed + length);
    return whole && ({ command, body, payload: whole.subarray(fixed) } as Request);
  }
}

const NOTHING = new Uint8Array(0);

/** One request, header, struct and payload in one piece. The struct must announce the payload's length. */
export function encodeRequest<C extends Command>(
  command: C,
  body: Body<C>,
  { dialect, order }: Speech,
  payload: Uint8Array = NOTHING,
): Uint8Array {
  const layout = (callOf(command) as Call<Body<C>>).layout(dialect);
  const out = messageOf(Header.size + layout.size, payload);
  Header.encodeInto(out, 0, { size: layout.size, command }, order);
  layout.encodeInto(out, Header.size, body, order);
  return out;
}
