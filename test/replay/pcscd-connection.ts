import type { Socket } from "node:net";
import type { FakeHandle, FakeSlot } from "../../src/testing/fake-slot.ts";
import { textIn, word } from "./bytes.ts";
import { Cmd } from "./commands.ts";
import type { Asked, ReplayDaemon } from "./daemon.ts";

/** A handle and the reader it is on. */
export interface Handle extends FakeHandle {
  readonly slot: FakeSlot;
}

const HEADER = 8;
/** No command of either end is longer; section 1.5. */
const MAX_PAYLOAD = 65_548;

/** One client of a simulated pcscd: its requests are carried out strictly one after the other. */
export class PcscdConnection {
  readonly id: number;
  readonly handles = new Map<number, Handle>();
  /** The dialect that was agreed on. */
  minor: number;
  context = 0;
  isRegistered = false;
  /** The last answer to SIZE: the next ARRAY has as many records, whatever happened meanwhile. */
  announcedSlots = 0;
  readonly #daemon: ReplayDaemon;
  readonly #socket: Socket;
  readonly #queue: Asked[] = [];
  #input = Buffer.alloc(0);
  #isBusy = false;
  #isClosed = false;

  constructor(daemon: ReplayDaemon, socket: Socket, { id, minor }: { id: number; minor: number }) {
    this.#daemon = daemon;
    this.#socket = socket;
    this.id = id;
    this.minor = minor;
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#isClosed = true;
      this.#daemon.closed(this);
      if (!this.#isBusy) this.#die();
    });
  }

  /** What this client still waits for. */
  get unanswered(): number {
    return this.#queue.length + (this.#isBusy ? 1 : 0);
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > 0 && !this.#isClosed) this.#socket.write(bytes);
  }

  /** Sends the one message of a registration, if there is one. */
  event(bytes: Uint8Array): void {
    if (!this.isRegistered) return;
    this.isRegistered = false;
    this.write(bytes);
  }

  /** Closes after what was written. */
  hangUp(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The reader that a request is about. */
  readerOf(command: number, struct: Uint8Array): string {
    if (command === Cmd.Connect) return textIn(struct.subarray(4, 132));
    if (struct.length < 4) return "";
    return this.handles.get(this.#daemon.wordOf(struct, 0))?.slot.name ?? "";
  }

  #read(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk]);
    while (this.#input.length >= HEADER) {
      const size = word(this.#daemon.order, this.#input, 0);
      const command = word(this.#daemon.order, this.#input, 4);
      const expected = this.#daemon.structSize(command);
      // As a daemon of the other byte order does at the first header it sees.
      if (expected === undefined || (expected > 0 && expected !== size)) {
        this.destroy();
        return;
      }
      if (this.#input.length < HEADER + expected) return;
      const struct = this.#input.subarray(HEADER, HEADER + expected);
      const length = this.#payloadLength(command, struct);
      if (length > MAX_PAYLOAD) {
        this.destroy();
        return;
      }
      const end = HEADER + expected + length;
      if (this.#input.length < end) return;
      const payload = this.#input.subarray(HEADER + expected, end);
      this.#input = this.#input.subarray(end);
      this.#queue.push(this.#daemon.arrived(this, command, struct, payload));
    }
    if (!this.#isBusy) void this.#serve(); // it meets its own errors
  }

  #payloadLength(command: number, struct: Uint8Array): number {
    if (command === Cmd.Transmit) return this.#daemon.wordOf(struct, 12);
    return command === Cmd.Control ? this.#daemon.wordOf(struct, 8) : 0;
  }

  async #serve(): Promise<void> {
    this.#isBusy = true;
    for (let asked = this.#queue.shift(); asked && !this.#isClosed; asked = this.#queue.shift())
      await this.#daemon.answer(this, asked);
    this.#isBusy = false;
    if (this.#isClosed) this.#die();
  }

  /** The client is gone: noticed only between two of its requests, as in pcscd. */
  #die(): void {
    for (const handle of this.handles.values()) handle.slot.abandon(handle);
    this.handles.clear();
  }
}
