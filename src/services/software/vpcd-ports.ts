import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { emit } from "../../observe/events.ts";
import type { SoftwareReaders } from "./service.ts";
import { VpcdContacts } from "./vpcd-contacts.ts";

/** Cards that wait for one reader; more are turned away. */
const MAX_WAITING = 8;

/** One reader's place for cards that speak vpcd's protocol: the one that connected first lies in it, others wait. */
class VpcdPort {
  readonly #readers: SoftwareReaders;
  readonly #reader: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(readers: SoftwareReaders, reader: string) {
    this.#readers = readers;
    this.#reader = reader;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** @returns the port. @throws {Error} the system's own, `EADDRINUSE` above all. */
  async listen(host: string, port: number): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, "listening"); // it rejects with what the server emits as error
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(socket: Socket): void {
    socket.on("error", () => {}); // its end is the card's removal, whatever it was
    if (this.#sockets.size > MAX_WAITING) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const lies = [...this.#sockets][0] === socket;
    if (lies) this.#insert(socket);
    socket.on("close", () => {
      const [inside] = this.#sockets;
      this.#sockets.delete(socket);
      if (inside !== socket) return;
      this.#readers.pull(this.#reader);
      const [next] = this.#sockets;
      if (next) this.#insert(next);
    });
  }

  #insert(socket: Socket): void {
    const contacts = new VpcdContacts(socket);
    // It never rejects: a card that does not answer is mute, as in a real reader.
    void this.#readers.insertContacts(this.#reader, contacts);
    emit("cardwire:card", () => ({ reader: this.#reader, from: from(socket) }));
  }
}

const from = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress}:${remotePort}`;

export interface VpcdPorts extends AsyncDisposable {
  /** Of each reader, in their order. */
  readonly ports: readonly number[];
}

/** Where cards connect. */
export interface VpcdPlaces {
  /** An address of this computer; there is no authentication, so only the loopback's makes sense. */
  readonly host: string;
  /** Of the first reader; the next one has the next. 0: any that are free. */
  readonly port: number;
}

/**
 * Lets cards of other programs into software readers, as vsmartcard's virtual reader does: each reader has a TCP port,
 * where a card connects to be inserted and hangs up to be pulled.
 *
 * @throws {Error} the system's own when a port cannot be had; then none is kept.
 */
export async function listenForVpcdCards(
  readers: SoftwareReaders,
  names: readonly string[],
  { host, port }: VpcdPlaces,
): Promise<VpcdPorts> {
  const opened = names.map((name) => new VpcdPort(readers, name));
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((one) => one.close()));
  };
  try {
    const ports: number[] = [];
    for (const [index, one] of opened.entries())
      ports.push(await one.listen(host, port === 0 ? 0 : port + index));
    return { ports, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
