import { once } from "node:events";
import type { Socket } from "node:net";
import { dial } from "../../src/host/dial.ts";
import { type Order, request, text, textIn, words } from "../replay/bytes.ts";
import { Cmd } from "../replay/commands.ts";
import { Draw } from "./draw.ts";
import { HOSTILE_READER, type Input } from "./inputs.ts";
import { CARD, CONTEXT } from "./marks.ts";
import { RequestReader } from "./request-reader.ts";

/** How long a peer waits for an answer that may never come, since another holds the card, ms. */
const PATIENCE_MS = 1_500;
/** How long a server may take for what it has to do at once, ms: the computer may have much else to do. */
const LIMIT_MS = 20_000;

/**
 * - `waits`: sends all, then asks something harmless and waits for its answer.
 * - `drips`: the same in small pieces.
 * - `hangs up`: as soon as everything is sent.
 * - `half-closes`: says that it has no more to say, and waits for the other end to hang up.
 * - `never reads`: does not take anything that is sent to it, and hangs up in the end.
 */
export type Manner = "waits" | "drips" | "hangs up" | "half-closes" | "never reads";
const MANNERS: readonly Manner[] = [
  "waits",
  "waits",
  "waits",
  "drips",
  "hangs up",
  "hangs up",
  "half-closes",
  "never reads",
];

/** What became of it: the server hung up, went on serving, or said nothing. */
export type Outcome = "closed" | "answered" | "silent";

/** A client of a live server that means no good. */
class HostilePeer implements Disposable {
  readonly #socket: Socket;
  readonly #order: Order;
  readonly closed: Promise<"closed">;
  /** The end of what was received. */
  #tail: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #isPrepared = true;
  #wake = () => {};

  constructor(socket: Socket, order: Order) {
    this.#socket = socket;
    this.#order = order;
    socket.on("data", (chunk) => {
      this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-512);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve("closed");
      });
    });
  }

  /** Whether nothing that was sent so far is still unanswered. */
  get isPrepared(): boolean {
    return this.#isPrepared;
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** One exchange of the prelude. */
  async ask(bytes: Buffer, reply: number): Promise<Buffer | undefined> {
    this.#tail = Buffer.alloc(0);
    this.send(bytes);
    const got = await this.until((tail) => tail.length >= reply, PATIENCE_MS);
    return got === "answered" ? this.#tail.subarray(0, reply) : undefined;
  }

  /** Resolves when what was received is as wanted, or nothing more comes. */
  async until(isIt: (tail: Buffer) => boolean, limitMs: number): Promise<Outcome> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, limitMs);
    try {
      for (;;) {
        if (isIt(this.#tail)) return "answered";
        if (this.#isClosed) return "closed";
        if (isLate) return "silent";
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gets a context and a card, and puts their numbers in the place of the marks. */
  async prepare({ prelude, minor, bytes }: Input): Promise<Buffer> {
    const order = this.#order;
    if (prelude === "nothing") return bytes;
    this.#isPrepared = false;
    await this.ask(request(order, Cmd.Version, words(order, 4, minor, 0)), 12);
    const established = await this.ask(request(order, Cmd.Establish, words(order, 2, 0, 0)), 12);
    if (!established) return bytes;
    const context = established.subarray(4, 8);
    const filled = replaced(bytes, words(order, CONTEXT), context);
    this.#isPrepared = prelude === "context";
    if (prelude === "context") return filled;
    const name = text(HOSTILE_READER, 128);
    const struct = Buffer.concat([context, name, words(order, 2, 3, 0, 0, 0)]);
    const connected = await this.ask(request(order, Cmd.Connect, struct), 152);
    this.#isPrepared = connected !== undefined;
    return connected ? replaced(filled, words(order, CARD), connected.subarray(140, 144)) : filled;
  }

  stopReading(): void {
    this.#socket.pause();
  }

  async drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    // A server that does not read on will not let it drain.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    await Promise.race([once(this.#socket, "drain", { signal }).catch(() => {}), this.closed]);
  }

  /** Says that nothing more is coming. */
  end(): void {
    this.#socket.end();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

function replaced(bytes: Buffer, mark: Buffer, by: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(mark); at >= 0; at = copy.indexOf(mark, at + 4)) by.copy(copy, at);
  return copy;
}

/** What vpcd can carry: it writes the length in two bytes, and takes one byte for an order to itself. */
const VPCD = { least: 2, most: 65_535 };

/**
 * Keeps an input off the reader that others work with, and commands from vpcd that it would wait for ever to have
 * answered, with pcscd's lock on the reader.
 */
function harmless(bytes: Buffer, minor: number): Buffer {
  const copy = Buffer.from(bytes);
  const reader = new RequestReader({ minor, lenient: true });
  reader.push(bytes);
  for (let next = reader.next(); next && !("violation" in next); next = reader.next()) {
    const { command, struct, payload, order, at } = next;
    if (command === Cmd.Connect && textIn(struct.subarray(4, 132)).endsWith(" 00 00"))
      text(HOSTILE_READER, 100).copy(copy, at + 12);
    const { length } = payload;
    if (command === Cmd.Transmit && (length < VPCD.least || length > VPCD.most))
      words(order, 0xffffffff).copy(copy, at + 8 + 12);
  }
  return copy;
}

/** Whether the very first thing of a stream makes no sense, so that the server has to hang up. */
function isNonsense(bytes: Buffer, minor: number): boolean {
  const reader = new RequestReader({ minor, lenient: true });
  reader.push(bytes);
  const first = reader.next();
  return first !== undefined && "violation" in first;
}

/** The manner of a seed. */
export const mannerOf = (seed: number): Manner => new Draw(seed ^ 0x3a44e2).pick(MANNERS);

/**
 * Sends one input to the server at `path`.
 *
 * @throws {Error} when the server does not answer the dial, or does not hang up where it has to.
 */
export async function attack(
  path: string,
  input: Input,
  manner: Manner = mannerOf(input.seed),
): Promise<Outcome> {
  const { order, minor, seed } = input;
  const socket = await dial(path, { signal: AbortSignal.timeout(LIMIT_MS) });
  using peer = new HostilePeer(socket, order);
  const bytes = harmless(await peer.prepare(input), minor);
  if (manner === "never reads") peer.stopReading();
  if (manner === "drips") {
    const step = Math.max(1, Math.ceil(bytes.length / 20));
    for (let at = 0; at < bytes.length; at += step) {
      peer.send(bytes.subarray(at, at + step));
      await new Promise(setImmediate);
    }
  } else if (bytes.length > 0) peer.send(bytes);
  if (manner === "never reads" || manner === "hangs up") {
    await peer.drained();
    return "silent";
  }
  if (manner === "half-closes") {
    peer.end();
    const outcome = await peer.until(() => false, LIMIT_MS);
    if (outcome !== "closed") throw new Error("the server stays although the client has ended");
    return outcome;
  }
  const number = 0x40000000 | seed;
  peer.send(request(order, Cmd.Cancel, words(order, number, 0)));
  const answer = words(order, number, 0x80100003);
  const mustClose = peer.isPrepared && isNonsense(bytes, minor);
  const outcome = await peer.until(
    (tail) => tail.includes(answer),
    mustClose ? LIMIT_MS : PATIENCE_MS,
  );
  if (mustClose && outcome !== "closed")
    throw new Error(`nonsense is not answered by hanging up: ${outcome}`);
  return outcome;
}
