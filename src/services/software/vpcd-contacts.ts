import type { Socket } from "node:net";
import { type Deferred, deferred } from "../../domain/deferred.ts";
import { MAX_ATR } from "../../wire/pcsclite/constants.ts";
import { encodeVpcd, VpcdDecoder, VpcdOrder } from "../../wire/vpcd.ts";
import type { Contacts } from "./contacts.ts";

/**
 * How long a card may take to give its ATR, ms; one that takes longer is mute. A command may take as long as it likes,
 * as in vpcd: generating a key does.
 */
const ATR_MS = 10_000;

/** A card at the other end of a connection, which speaks vpcd's protocol. */
export class VpcdContacts implements Contacts {
  readonly #socket: Socket;
  readonly #decoder = new VpcdDecoder();
  /** Who waits for the card's next message. */
  #asked: Deferred<Uint8Array> | undefined;

  /** @param socket is this object's from now on. Who made it sees to its end, which is the card's removal. */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => this.#read(chunk));
    socket.on("close", () => this.#asked?.reject(new Error("the card hung up")));
  }

  async powerOn(how: "cold" | "warm"): Promise<Uint8Array> {
    this.#order(how === "cold" ? VpcdOrder.PowerOn : VpcdOrder.Reset);
    const late = setTimeout(() => this.#socket.destroy(), ATR_MS);
    try {
      const atr = await this.#ask(Uint8Array.of(VpcdOrder.Atr));
      return atr.length <= MAX_ATR ? atr : new Uint8Array(0);
    } finally {
      clearTimeout(late);
    }
  }

  powerOff(): void {
    this.#order(VpcdOrder.PowerOff);
  }

  async transmit(command: Uint8Array): Promise<Uint8Array> {
    return await this.#ask(command);
  }

  #order(order: number): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeVpcd(Uint8Array.of(order)));
  }

  async #ask(message: Uint8Array): Promise<Uint8Array> {
    if (this.#socket.destroyed) throw new Error("the card hung up");
    const asked = deferred<Uint8Array>();
    this.#asked = asked;
    try {
      this.#socket.write(encodeVpcd(message));
      return await asked.promise;
    } finally {
      this.#asked = undefined;
    }
  }

  #read(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
    for (let message = this.#decoder.next(); message; message = this.#decoder.next()) {
      // A card speaks only when it is asked. What it says besides would be taken for the next answer.
      if (this.#asked) this.#asked.resolve(message.slice());
      else this.#socket.destroy();
    }
  }
}
