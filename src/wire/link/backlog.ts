import { ProtocolError } from "../../domain/errors.ts";

/**
 * One end of an exactly-once ordered stream of frames over connections that break: what it sent that has not been
 * acknowledged, and how much it received. A pure state machine, without a clock and without I/O.
 *
 * Invariant, whatever connections do as long as each delivers a prefix of what was written to it: the frames that the
 * other end takes are those that were pushed here, in order, each once. It holds because a new connection begins with
 * the count of frames that arrived, and exactly those after that count are written again.
 */
export class Backlog {
  readonly #frames: Uint8Array[] = [];
  /** How many frames the other end has. */
  #acknowledged = 0;
  #bytes = 0;
  #received = 0;

  /** Frames sent since the session began. */
  get sent(): number {
    return this.#acknowledged + this.#frames.length;
  }

  /** Frames received since then. */
  get received(): number {
    return this.#received;
  }

  /** Frames that the other end may not have yet. */
  get length(): number {
    return this.#frames.length;
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a frame until it is acknowledged. */
  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  /** A counted frame arrived. */
  receive(): void {
    this.#received += 1;
  }

  /**
   * The other end has this many frames.
   *
   * @throws {ProtocolError} when that is fewer than it had, or more than were sent: another session's count.
   */
  acknowledge(count: number): void {
    if (!Number.isSafeInteger(count) || count < this.#acknowledged || count > this.sent)
      throw new ProtocolError(
        `${count} frames cannot have arrived: between ${this.#acknowledged} and ${this.sent} have`,
      );
    for (const frame of this.#frames.splice(0, count - this.#acknowledged))
      this.#bytes -= frame.length;
    this.#acknowledged = count;
  }

  /** What a new connection has to begin with, after {@link acknowledge} of what the other end says it has. */
  *[Symbol.iterator](): Generator<Uint8Array> {
    yield* this.#frames;
  }
}
