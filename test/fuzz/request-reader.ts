import { type Order, word } from "../replay/bytes.ts";
import { Cmd, structSize } from "../replay/commands.ts";

// The requests of a client as the protocol reference has them (sections 1.2 to 1.6), read without cardwire's own
// codec, which it is to judge.

/** Section 1.5: 4 + 3 + 65536 + 3 + 2. */
export const MAX_PAYLOAD = 65_548;
export const MAX_ATTRIBUTE = 264;
const HEADER = 8;

export interface Request {
  readonly command: number;
  /** What the header said of the struct's length. */
  readonly size: number;
  readonly order: Order;
  readonly struct: Buffer;
  readonly payload: Buffer;
  /** Where in the stream it begins. */
  readonly at: number;
}

/** What made the rest of a stream senseless. */
export interface Violation {
  readonly violation: string;
  readonly at: number;
}

/** Reads one client's stream, however it is cut. */
export class RequestReader {
  #minor: number;
  /** Names of 100 bytes: up to release 1.8.3, which shows them in CONNECT. */
  #isShort = false;
  /** A command without a body whose header tells of one is no violation: section 1.2 says that no daemon looks. */
  readonly #lenient: boolean;
  #input: Buffer = Buffer.alloc(0);
  #order: Order | undefined;
  #at = 0;
  #violation: Violation | undefined;

  constructor({ minor = 4, lenient = false }: { minor?: number; lenient?: boolean } = {}) {
    this.#minor = minor;
    this.#lenient = lenient;
  }

  /** The protocol's minor version that was agreed on. */
  set minor(minor: number) {
    this.#minor = minor;
    this.#isShort = false;
  }

  /** Bytes that belong to no whole request. */
  get left(): number {
    return this.#input.length;
  }

  push(chunk: Uint8Array): void {
    this.#input =
      this.#input.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#input, chunk]);
  }

  /** The next request; a violation again and again once there was one; `undefined` when more has to come. */
  next(): Request | Violation | undefined {
    const { struct: size, total, violation } = this.#measure();
    if (violation !== undefined) this.#violation ??= { violation, at: this.#at };
    if (this.#violation) return this.#violation;
    if (total === undefined || size === undefined || this.#input.length < total) return undefined;
    const order = this.#order ?? "little";
    const request: Request = {
      command: word(order, this.#input, 4),
      size: word(order, this.#input, 0),
      order,
      struct: this.#input.subarray(HEADER, HEADER + size),
      payload: this.#input.subarray(HEADER + size, total),
      at: this.#at,
    };
    this.#input = this.#input.subarray(total);
    this.#at += total;
    return request;
  }

  #measure(): { struct?: number; total?: number; violation?: string } {
    if (this.#violation || this.#input.length < HEADER) return {};
    this.#order ??= orderOf(this.#input);
    const order = this.#order;
    if (!order) return { violation: "neither byte order" };
    const size = word(order, this.#input, 0);
    const command = word(order, this.#input, 4);
    const struct = this.#structOf(command, size);
    if (struct === undefined) return { violation: `unknown command 0x${command.toString(16)}` };
    if (size !== struct && !(struct === 0 && this.#lenient))
      return { violation: `command 0x${command.toString(16)} with a struct of ${size} bytes` };
    if (this.#input.length < HEADER + struct) return {};
    const at = (offset: number) => word(order, this.#input, HEADER + offset);
    if (command === Cmd.GetAttrib || command === Cmd.SetAttrib) {
      const length = at(272);
      if (length > MAX_ATTRIBUTE) return { violation: `an attribute of ${length} bytes` };
    }
    const payload = command === Cmd.Transmit ? at(12) : command === Cmd.Control ? at(8) : 0;
    if (payload > MAX_PAYLOAD) return { violation: `a payload of ${payload} bytes` };
    return { struct, total: HEADER + struct + payload };
  }

  /** Bytes of a command's struct. Any command is served whatever version was agreed on: section 1.3. */
  #structOf(command: number, size: number): number | undefined {
    if (command === Cmd.Wait || command === Cmd.Stop) return structSize(command, this.#minor);
    if (command !== Cmd.Connect) return structSize(command, 6);
    this.#isShort ||= size === 124 && this.#minor === 2;
    return this.#isShort ? 124 : 152;
  }
}

/** Commands are below 256, and their other bytes zero: section 7. */
function orderOf(header: Uint8Array): Order | undefined {
  const [low = 0, b, c, high = 0] = header.subarray(4, 8);
  if (b !== 0 || c !== 0) return undefined;
  if (low !== 0 && high === 0) return "little";
  return low === 0 && high !== 0 ? "big" : undefined;
}
