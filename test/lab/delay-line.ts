import { once, setMaxListeners } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { publicDirectory, typeScript } from "./processes.ts";

/** What a connection may be like. "deaf to client": nothing comes from the client to the server, but back; and vice versa. */
export type LineState = "run" | "throttle" | "stall" | "deaf to client" | "deaf to server";

/** What the controller says to the process of one connection, as a line of JSON. */
export type LineOrder = LineState | "cut" | "half-close" | "stats";

/** Bytes that entered the line. */
export interface LineStats {
  readonly toServer: number;
  readonly toClient: number;
}

export interface DelayLineOptions {
  /** The real sshd's port on 127.0.0.1. */
  readonly port: number;
  /** One way, ms: half a round trip. */
  readonly delayMs: number;
}

/** One living ssh connection's process. */
interface Connection {
  readonly socket: Socket;
  readonly answers: Interface;
  stats: LineStats;
}

/** A long line to an sshd: every ssh connection through `proxyCommand` has it, whoever runs ssh. */
export class DelayLine implements AsyncDisposable {
  /** The value of ssh's ProxyCommand option. */
  readonly proxyCommand: string;
  readonly #directory: string;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #past: LineStats = { toServer: 0, toClient: 0 };
  #state: LineState | "cut" = "run";

  /** Use `delayLine`. */
  constructor(directory: string, server: Server, proxyCommand: string) {
    this.#directory = directory;
    this.#server = server;
    this.proxyCommand = proxyCommand;
    server.on("connection", (socket) => this.#meet(socket));
  }

  /** How many ssh connections use the line now. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Breaks all connections at once; new ones succeed, unless `stayDown` keeps the line down until
   * `resume`. Resolves when they are gone.
   */
  async cut({ stayDown = false } = {}): Promise<void> {
    if (stayDown) this.#state = "cut";
    const gone = [...this.#connections].map(({ socket }) => once(socket, "close"));
    this.#order("cut");
    await Promise.all(gone);
  }

  /** Ends the way to the server, as a program does that has nothing more to send; the other way stays. */
  halfClose(): void {
    this.#order("half-close");
  }

  /** Nothing moves any more, and nobody is told, on this connection and, unless they are spared, on new ones. */
  stall({ spareNew = false } = {}): void {
    if (spareNew) this.#order("stall");
    else this.become("stall");
  }

  /** Ends a stall, whose bytes then come at once, or a cut that stayed. */
  resume(): void {
    this.become("run");
  }

  /** What this connection, and new ones, are like from now on. */
  become(state: LineState): void {
    this.#state = state;
    this.#order(state);
  }

  /** The bytes of all connections there have been. */
  async stats(): Promise<LineStats> {
    const asked = [...this.#connections].map(async ({ socket, answers }) => {
      const ended = new AbortController();
      setMaxListeners(0, ended.signal); // one for each question under way
      socket.once("close", () => ended.abort());
      const answer = once(answers, "line", { signal: ended.signal });
      socket.write('"stats"\n');
      // A connection that ends meanwhile has told its last figures.
      await answer.catch(() => {});
    });
    await Promise.all(asked);
    return [...this.#connections].reduce((sum, { stats }) => added(sum, stats), this.#past);
  }

  #order(order: LineOrder): void {
    for (const { socket } of this.#connections)
      if (socket.writable) socket.write(`${JSON.stringify(order)}\n`);
  }

  #meet(socket: Socket): void {
    const answers = createInterface({ input: socket });
    const connection: Connection = { socket, answers, stats: { toServer: 0, toClient: 0 } };
    this.#connections.add(connection);
    answers.on("line", (line) => {
      connection.stats = JSON.parse(line) as LineStats;
    });
    // It may be killed in the middle of a word.
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#connections.delete(connection);
      this.#past = added(this.#past, connection.stats);
    });
    socket.write(`${JSON.stringify(this.#state)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut({ stayDown: true });
    this.#server.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

const added = (a: LineStats, b: LineStats): LineStats => ({
  toServer: a.toServer + b.toServer,
  toClient: a.toClient + b.toClient,
});

/** Makes a line to the sshd on `port`; ssh uses it through `-o ProxyCommand` or a configuration. */
export async function delayLine({ port, delayMs }: DelayLineOptions): Promise<DelayLine> {
  const directory = await publicDirectory("line");
  const control = join(directory, "control");
  const server = createServer();
  server.listen(control);
  await once(server, "listening");
  // Whoever runs ssh runs the line's process, too.
  await chmod(control, 0o666);
  const words = typeScript(
    "delay-line-process.ts",
    ...`--port ${port} --delay ${delayMs} --control`.split(" "),
    control,
  );
  // For ssh, % begins a token; for the shell that runs it, the quotes keep each word whole.
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''").replaceAll("%", "%%")}'`);
  return new DelayLine(directory, server, quoted.join(" "));
}
