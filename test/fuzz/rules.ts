import { word } from "../replay/bytes.ts";
import { Cmd } from "../replay/commands.ts";
import { MAX_PAYLOAD, type Request, RequestReader } from "./request-reader.ts";

/** Names have 128 bytes from release 1.8.4 on, and cardwire speaks to none older than 1.8.9. */
const NAME_BYTES = 128;
const FIXED_SLOTS = 16;
const RECORD = 184;

/** Commands whose struct begins with a handle. */
const ON_CARDS: ReadonlySet<number> = new Set([
  Cmd.Reconnect,
  Cmd.Disconnect,
  Cmd.Begin,
  Cmd.End,
  Cmd.Transmit,
  Cmd.Control,
  Cmd.Status,
  Cmd.GetAttrib,
  Cmd.SetAttrib,
]);

const MAX_HISTORY = 16;

/** A message as text: its command, and its struct without the 128 or 264 bytes of a buffer. */
const brief = (command: number, struct: Buffer): string =>
  `0x${command.toString(16)} ${struct.toString("hex").replaceAll(/(00){20,}/g, "..")}`;

/**
 * Judges what one connection sends to a pcscd, by the protocol reference alone: sections 1.2 (header), 1.3 (commands),
 * 1.4 (structs), 1.6 (limits), 2.1 (the order of the handshake), 5.1 (whose numbers). It learns which numbers were given
 * from the daemon's replies, which it follows up to the first WAIT: from there on events may come between them, and
 * nothing that a connection of a waiting client is given is counted as given.
 */
export class Rules {
  readonly violations: string[] = [];
  /** How many requests of each command there were. */
  readonly counts = new Map<number, number>();
  readonly handles = new Set<number>();
  context: number | undefined;
  readonly #reader = new RequestReader();
  readonly #closing = new Set<number>();
  /** The last messages, for who has to find out how it came to a violation. */
  readonly #history: string[] = [];
  #expected: Request[] = [];
  #replies: Buffer = Buffer.alloc(0);
  #hasVersion = false;
  #waits = false;
  #slots = FIXED_SLOTS;

  /** What cardwire sent. */
  sent(chunk: Uint8Array): void {
    this.#reader.push(chunk);
    for (let next = this.#reader.next(); next; next = this.#reader.next()) {
      if ("violation" in next) {
        if (this.violations.at(-1) !== next.violation) this.violations.push(next.violation);
        return;
      }
      this.counts.set(next.command, (this.counts.get(next.command) ?? 0) + 1);
      this.#judge(next);
      if (next.command === Cmd.Wait) this.#waits = true;
      else if (!this.#waits) this.#expected.push(next);
    }
  }

  /** What pcscd replied. */
  replied(chunk: Uint8Array): void {
    if (this.#waits) return;
    this.#replies = Buffer.concat([this.#replies, chunk]);
    for (let first = this.#expected[0]; first; first = this.#expected[0]) {
      const reply = this.#take(first);
      if (!reply) return;
      this.#expected.shift();
      this.#learn(first, reply);
    }
  }

  /** The last messages. */
  get history(): string {
    return this.#history.join(", ");
  }

  /** The connection ended. */
  ended(): void {
    if (this.#reader.left > 0 && this.violations.length === 0)
      this.violations.push(`a request that ends after ${this.#reader.left} bytes`);
  }

  #judge(request: Request): void {
    const { command, struct, order } = request;
    const at = (offset: number) => word(order, struct, offset);
    const complain = (what: string) =>
      this.violations.push(`${what}: ${brief(command, struct)} after ${this.history}`);
    if (command === Cmd.Version) this.#hasVersion = true;
    else if (!this.#hasVersion && command !== Cmd.Cancel) complain("no VERSION before");
    if (command === Cmd.Version && at(0) !== 4) complain("a major version that there is not");
    if (command === Cmd.Connect) {
      if (at(0) !== this.context) complain("a context that this connection was not given");
      if (!struct.subarray(4, 4 + NAME_BYTES).includes(0)) complain("a name without its NUL");
    }
    if (command === Cmd.Release && at(0) !== this.context)
      complain("a release of a context that this connection was not given");
    if (ON_CARDS.has(command) && (!this.handles.has(at(0)) || this.#closing.has(at(0))))
      complain("a handle that this connection was not given");
    this.#remember(`> ${brief(command, struct)}`);
    if (command === Cmd.Disconnect) this.#closing.add(at(0));
    // Up to 1.9.7 a daemon closes the connection for more.
    const room = command === Cmd.Transmit ? at(24) : command === Cmd.Control ? at(12) : 0;
    if (room > MAX_PAYLOAD) complain("more room than a daemon allows");
  }

  #remember(message: string): void {
    this.#history.push(message);
    if (this.#history.length > MAX_HISTORY) this.#history.shift();
  }

  /** One reply, when it is whole. */
  #take({ command, struct, order }: Request): Buffer | undefined {
    const fixed = this.#fixed(command, struct);
    if (this.#replies.length < fixed) return undefined;
    const at = (offset: number) => word(order, this.#replies, offset);
    let length = fixed;
    if (command === Cmd.Transmit && at(28) === 0) length += at(24);
    if (command === Cmd.Control && at(20) === 0) length += at(16);
    if (this.#replies.length < length) return undefined;
    const reply = this.#replies.subarray(0, length);
    this.#replies = this.#replies.subarray(length);
    return reply;
  }

  #fixed(command: number, struct: Buffer): number {
    if (command === Cmd.Readers) return FIXED_SLOTS * RECORD;
    if (command === Cmd.Array) return this.#slots * RECORD;
    if (command === Cmd.Size) return 4;
    return command === Cmd.ReaderEvents ? 8 : struct.length;
  }

  #learn({ command, struct, order }: Request, reply: Buffer): void {
    const at = (offset: number) => word(order, reply, offset);
    this.#remember(`< ${brief(command, reply.subarray(0, struct.length))}`);
    if (command === Cmd.Size) this.#slots = at(0);
    if (command === Cmd.Version && at(8) === 0)
      this.#reader.minor = Math.min(at(4), word(order, struct, 4));
    if (command === Cmd.Establish && at(8) === 0) this.context = at(4);
    if (command === Cmd.Connect && at(148) === 0) this.handles.add(at(140));
    if (command === Cmd.Disconnect) {
      this.#closing.delete(at(0));
      if (at(8) === 0) this.handles.delete(at(0));
    }
    if (command === Cmd.Release && at(4) === 0) {
      this.context = undefined;
      this.handles.clear();
    }
  }
}
