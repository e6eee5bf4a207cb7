import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { encodeVpcd, VpcdDecoder, VpcdOrder } from "../../src/wire/vpcd.ts";

/** A reader that cards dial, as vpcd's is; the test itself says what goes to the card, one command at a time. */
export class VpcdReader implements AsyncDisposable {
  readonly #server = createServer({ noDelay: true });
  #card: Socket | undefined;
  #decoder = new VpcdDecoder();

  /** Where it listens, for `--vpcd`. */
  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits until a card is put in, and gives it power. */
  async insert(): Promise<void> {
    const [card] = (await once(this.#server, "connection")) as [Socket];
    card.on("error", () => {}); // a killed card may reset the connection
    this.#card = card;
    this.#decoder = new VpcdDecoder();
    card.write(encodeVpcd(Uint8Array.of(VpcdOrder.PowerOn)));
  }

  /** A command and its answer, in hex. Undefined when the card was pulled before it had answered. */
  async say(command: string): Promise<string | undefined> {
    const card = this.#card;
    if (!card || card.destroyed) return undefined;
    card.write(encodeVpcd(Buffer.from(command, "hex")));
    return await new Promise((resolve) => {
      const read = (chunk: Buffer): void => {
        this.#decoder.push(chunk);
        const answer = this.#decoder.next();
        if (answer) done(Buffer.from(answer).toString("hex"));
      };
      const gone = (): void => done(undefined);
      const done = (answer: string | undefined): void => {
        card.off("data", read).off("close", gone);
        resolve(answer);
      };
      card.on("data", read).on("close", gone);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#card?.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
