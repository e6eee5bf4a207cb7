import type { Socket } from "node:net";
import { dial } from "../../src/host/dial.ts";
import { type Order, padded, request, text, textIn, word, words } from "./bytes.ts";
import { Cmd } from "./commands.ts";

export interface ClientOptions {
  readonly order?: Order;
  /** The minor version that it offers, and speaks. */
  readonly minor?: number;
  /** Bytes of a reader's name: 100 up to release 1.8.3. */
  readonly nameBytes?: number;
  /** Slots of the fixed array that it was built with. */
  readonly slots?: number;
}

/** A reader as an application is told of it. */
export interface Shown {
  readonly name: string;
  readonly eventCounter: number;
  readonly state: number;
  readonly sharing: number;
  readonly atr: string;
  readonly protocol: number;
}

/**
 * An application's end of pcsc-lite's protocol, byte by byte and by hand: it can do what libpcsclite of each release
 * does, and what none of them would.
 */
export class RawClient implements Disposable {
  readonly order: Order;
  minor: number;
  readonly #socket: Socket;
  readonly #nameBytes: number;
  readonly #slots: number;
  /** Resolves when the other end has hung up. */
  readonly closed: Promise<void>;
  #input = Buffer.alloc(0);
  #isClosed = false;
  #wake = () => {};

  constructor(socket: Socket, options: ClientOptions) {
    const { order = "little", minor = 4, nameBytes = 128, slots = 16 } = options;
    this.#socket = socket;
    this.order = order;
    this.minor = minor;
    this.#nameBytes = nameBytes;
    this.#slots = slots;
    socket.on("data", (chunk) => {
      this.#input = Buffer.concat([this.#input, chunk]);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** Bytes that nobody took. */
  get left(): number {
    return this.#input.length;
  }

  /** Stops reading, or goes on. */
  reads(yes: boolean): void {
    if (yes) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  send(command: number, struct?: Uint8Array, payload?: Uint8Array): void {
    this.raw(request(this.order, command, struct, payload));
  }

  words(...values: readonly number[]): Buffer {
    return words(this.order, ...values);
  }

  /** The next `count` bytes. @throws {Error} when the other end hangs up first. */
  async take(count: number): Promise<Buffer> {
    while (this.#input.length < count) {
      if (this.#isClosed) throw new Error(`hung up ${this.#input.length} bytes into ${count}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#input.subarray(0, count);
    this.#input = this.#input.subarray(count);
    return taken;
  }

  async takeWords(count: number): Promise<number[]> {
    const bytes = await this.take(count * 4);
    return Array.from({ length: count }, (_, index) => word(this.order, bytes, index * 4));
  }

  /** One exchange of a struct that has nothing but 32-bit words: its words in the reply, the result last. */
  async ask(command: number, ...values: readonly number[]): Promise<number[]> {
    this.send(command, this.words(...values));
    return await this.takeWords(values.length);
  }

  /** The result of such an exchange. */
  async result(command: number, ...values: readonly number[]): Promise<number> {
    return (await this.ask(command, ...values)).at(-1) ?? -1;
  }

  async version(minor = this.minor): Promise<{ major: number; minor: number; rv: number }> {
    const [major = 0, answered = 0, rv = 0] = await this.ask(Cmd.Version, 4, minor, 0);
    return { major, minor: answered, rv };
  }

  /** Version and context, as SCardEstablishContext. @returns the context. */
  async establish(): Promise<number> {
    const { rv } = await this.version();
    if (rv !== 0) throw new Error(`refused: 0x${rv.toString(16)}`);
    return (await this.ask(Cmd.Establish, 2, 0, 0))[1] ?? 0;
  }

  async connect(
    context: number,
    reader: string,
    { share = 2, protocols = 3 } = {},
  ): Promise<{ card: number; active: number; rv: number }> {
    const name = text(reader, this.#nameBytes);
    const head = Buffer.concat([this.words(context), name]);
    this.send(Cmd.Connect, Buffer.concat([head, this.words(share, protocols, 0, 0, 0)]));
    await this.take(head.length);
    const [, , card = 0, active = 0, rv = 0] = await this.takeWords(5);
    return { card, active, rv };
  }

  /** @returns the words of the reply, and what follows it. */
  async transmit(
    card: number,
    apdu: Uint8Array,
    { buffer = 65_548, protocol = 2 } = {},
  ): Promise<{ rv: number; length: number; data: string }> {
    this.send(Cmd.Transmit, this.words(card, protocol, 16, apdu.length, 3, 16, buffer, 0), apdu);
    const reply = await this.takeWords(8);
    const [length = 0, rv = 0] = reply.slice(6);
    const data = rv === 0 ? await this.take(length) : Buffer.alloc(0);
    return { rv, length, data: data.toString("hex") };
  }

  async control(card: number, code: number, { data = Buffer.alloc(0), buffer = 264 } = {}) {
    this.send(Cmd.Control, this.words(card, code, data.length, buffer, 0, 0), data);
    const [, , , , returned = 0, rv = 0] = await this.takeWords(6);
    const answer = rv === 0 ? await this.take(returned) : Buffer.alloc(0);
    return { rv, returned, answer: answer.toString("hex") };
  }

  async attribute(card: number, id: number, buffer = 264) {
    const value = padded(Buffer.alloc(0), 264);
    const head = Buffer.concat([this.words(card, id), value]);
    this.send(Cmd.GetAttrib, Buffer.concat([head, this.words(buffer, 0x8010001d)]));
    const reply = await this.take(280);
    const [length, rv] = [word(this.order, reply, 272), word(this.order, reply, 276)];
    return { rv, length, value: reply.subarray(8, 8 + Math.min(length, 264)).toString("hex") };
  }

  /** Slots as its release finds out about them. */
  async slots(): Promise<number> {
    if (this.minor < 6) return this.#slots;
    this.send(Cmd.Size);
    return (await this.takeWords(1))[0] ?? 0;
  }

  /** SCardListReaders' exchange. */
  async readers(): Promise<Shown[]> {
    const slots = await this.slots();
    this.send(this.minor < 6 ? Cmd.Readers : Cmd.Array);
    return await this.takeArray(slots);
  }

  async takeArray(slots = this.#slots): Promise<Shown[]> {
    const size = this.#nameBytes + 56;
    const bytes = await this.take(slots * size);
    const shown: Shown[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const name = textIn(bytes.subarray(at, at + this.#nameBytes));
      const rest = bytes.subarray(at + this.#nameBytes, at + size);
      const read = (offset: number) => word(this.order, rest, offset);
      const atr = rest.subarray(12, 12 + read(48)).toString("hex");
      const about = { eventCounter: read(0), state: read(4), sharing: read(8) | 0 };
      if (name !== "") shown.push({ name, ...about, atr, protocol: read(52) });
    }
    return shown;
  }

  /** Begins to wait for an event, and takes the array where it comes with that. */
  async wait(): Promise<Shown[] | undefined> {
    if (this.minor <= 3) this.send(Cmd.Wait, this.words(60_000, 0));
    else this.send(Cmd.Wait);
    if (this.minor <= 3) return undefined;
    return this.minor < 6 ? await this.takeArray() : await this.readers();
  }

  stop(): void {
    if (this.minor <= 3) this.send(Cmd.Stop, this.words(0, 0));
    else this.send(Cmd.Stop);
  }

  /** The result of the event, or of the answer to STOP. */
  async event(): Promise<number> {
    return (await this.takeWords(2))[1] ?? -1;
  }

  /** Dies as a process that is killed. */
  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

export async function rawClient(path: string, options: ClientOptions = {}): Promise<RawClient> {
  return new RawClient(await dial(path, { signal: new AbortController().signal }), options);
}
