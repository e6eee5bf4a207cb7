import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { publicDirectory, typeScript } from "../test/lab/processes.ts";
import type { LineEvent } from "./waits.ts";

/** Listens in on the client's end of a delay line. */
export class Tap implements AsyncDisposable {
  /** The value of ssh's ProxyCommand option. */
  readonly proxyCommand: string;
  readonly #directory: string;
  readonly #server: Server;
  readonly #ends = new Map<Socket, Interface>();

  /** Use `tap`. */
  constructor(directory: string, server: Server, proxyCommand: string) {
    this.#directory = directory;
    this.#server = server;
    this.proxyCommand = proxyCommand;
    server.on("connection", (socket) => {
      this.#ends.set(socket, createInterface({ input: socket }));
      socket.on("error", () => {}); // it may be killed at any moment
      socket.once("close", () => this.#ends.delete(socket));
    });
  }

  /** What passed since the last time. */
  async take(): Promise<readonly LineEvent[]> {
    const taken = [...this.#ends].map(async ([socket, lines]) => {
      socket.write("take\n");
      const [line] = (await once(lines, "line")) as [string];
      return JSON.parse(line) as readonly LineEvent[];
    });
    return (await Promise.all(taken)).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#ends.keys()) socket.destroy();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** @param line the ProxyCommand of the line to listen in on: words that a shell understands. */
export async function tap(line: string): Promise<Tap> {
  const directory = await publicDirectory("tap");
  const control = join(directory, "control");
  const server = createServer();
  server.listen(control);
  await once(server, "listening");
  await chmod(control, 0o666); // whoever runs ssh runs the tap, too
  const words = typeScript("../../bench/tap-process.ts", control);
  return new Tap(directory, server, `${words.map((word) => `'${word}'`).join(" ")} ${line}`);
}
