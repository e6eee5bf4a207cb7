import { setMaxListeners } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { VirtualCard } from "./card.ts";

/** vpcd's port for its first slot; the second has the next. */
export const VPCD_PORT = 35_963;

/** How long to wait before vpcd is dialled again, ms. */
const REDIAL_MS = 20;

/** A message of one byte is for the reader, not for the card. */
const Control = { Off: 0, On: 1, Reset: 2, Atr: 4 } as const;

/** What vpcd asked of the card since it was made. */
export interface Counters {
  commands: number;
  resets: number;
  powerUps: number;
  atrRequests: number;
  /** Whether pcscd has it under power now. */
  isPowered: boolean;
}

/**
 * One slot of vpcd. While the card is inserted it stays connected, and dials again when the daemon
 * goes and comes back; vpcd takes the connection for the card's presence.
 */
export class VpcdSlot {
  readonly counters: Counters = {
    commands: 0,
    resets: 0,
    powerUps: 0,
    atrRequests: 0,
    isPowered: false,
  };
  readonly #card: VirtualCard;
  readonly #port: number;
  #present: AbortController | undefined;

  constructor(card: VirtualCard, slot: number) {
    this.#card = card;
    this.#port = VPCD_PORT + slot;
  }

  /** Puts the card in, for a daemon that runs or for one that will. */
  insert(): void {
    if (this.#present) return;
    this.#present = new AbortController();
    setMaxListeners(0, this.#present.signal); // one for each attempt to dial
    // It ends by `pull`, and meets every error itself.
    void this.#stay(this.#present.signal);
  }

  /** Takes the card out, in the middle of whatever it does. */
  pull(): void {
    if (!this.#present) return;
    this.#present.abort();
    this.#present = undefined;
    this.#power(false);
  }

  async #stay(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const socket = await dial(this.#port, signal);
      if (socket) await this.#serve(socket, signal);
      else await delay(REDIAL_MS);
    }
  }

  /** Answers until the connection ends, one message after the other. */
  async #serve(socket: Socket, signal: AbortSignal): Promise<void> {
    let received: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of socket) {
        received = Buffer.concat([received, chunk as Buffer]);
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE()) {
          const end = 2 + received.readUInt16BE();
          const reply = await this.#answer(received.subarray(2, end));
          received = received.subarray(end);
          if (reply && !socket.destroyed) socket.write(framed(reply));
        }
      }
    } catch {
      // The daemon was killed, or the card pulled: either way the connection is over.
    } finally {
      socket.destroy();
      // A pulled card lost its power then, and may be in again by the time a slow command ends.
      if (!signal.aborted) this.#power(false);
    }
  }

  #power(on: boolean): void {
    this.counters.isPowered = on;
    this.#card.power(on);
  }

  async #answer(message: Uint8Array): Promise<Uint8Array | undefined> {
    if (message.length !== 1) {
      this.counters.commands += 1;
      return await this.#card.transmit(message);
    }
    switch (message[0] as number) {
      case Control.Off:
        this.#power(false);
        return undefined;
      case Control.On:
        this.counters.powerUps += 1;
        this.#power(true);
        return undefined;
      case Control.Reset:
        this.counters.resets += 1;
        this.#card.reset();
        return undefined;
      case Control.Atr:
        this.counters.atrRequests += 1;
        return this.#card.atr;
      default:
        throw new Error(`vpcd sent an unknown control ${message[0]}`);
    }
  }
}

/** In one write: two would wait for each other's acknowledgement. */
function framed(reply: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(reply.length);
  return Buffer.concat([length, reply]);
}

/** Undefined if nobody listens. The signal ends the connection, too. */
function dial(port: number, signal: AbortSignal): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true, signal });
    const refused = (): void => resolve(undefined);
    socket.once("error", refused);
    socket.once("connect", () => {
      socket.off("error", refused);
      // What happens later is met by whoever reads; this one keeps it from ending the process.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}
