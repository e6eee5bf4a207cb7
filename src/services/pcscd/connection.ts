import type { Socket } from "node:net";
import { deferred } from "../../domain/deferred.ts";
import { CardwireError, ProtocolError } from "../../domain/errors.ts";
import { isReturnCode } from "../../domain/return-codes.ts";
import { ByteQueue } from "../../wire/byte-queue.ts";
import { type Body, calls } from "../../wire/pcsclite/calls.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import { Event } from "../../wire/pcsclite/layouts.ts";
import { type Reply, type Speech, takeReply } from "../../wire/pcsclite/replies.ts";
import { encodeRequest } from "../../wire/pcsclite/requests.ts";

const NOTHING = new Uint8Array(0);

/** How long the daemon may take to answer what nobody waits for any more, ms. */
const LAST_ANSWER_MS = 5_000;

const UNASKED = "pcscd sent something that nobody asked for";

interface Expected {
  /** Takes the reply out of what has arrived; `undefined` until it is whole. */
  readonly take: (input: ByteQueue) => unknown;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One connection to a pcscd. A request is written at once and in one piece; replies carry no number, so they are read
 * in the order of the requests. Whoever need not know a reply need not await it: the order still holds.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #input = new ByteQueue();
  readonly #expected: Expected[] = [];
  readonly #closed = deferred<CardwireError>();
  /** What {@link requestSoon} holds back. */
  readonly #held: Uint8Array[] = [];
  #end: CardwireError | undefined;
  /** How this connection talks; set once the versions are agreed on. */
  speech: Speech;

  constructor(socket: Socket, speech: Speech) {
    this.#socket = socket;
    this.speech = speech;
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", (cause) => this.#fail("the connection to pcscd broke", cause));
    socket.on("close", () => this.#fail("the connection to pcscd ended"));
  }

  /** Resolves, with the reason, when the connection has ended. */
  get closed(): Promise<CardwireError> {
    return this.#closed.promise;
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** Requests whose reply is still to come. */
  get inFlight(): number {
    return this.#expected.length;
  }

  /**
   * Sends one request and resolves with its reply.
   *
   * @throws {CardwireError} `E_PCSCD_GONE` when the connection ends first, `E_PROTOCOL` when the reply makes no sense.
   */
  request<C extends Command>(
    command: C,
    body: Body<C>,
    payload?: Uint8Array,
  ): Promise<Reply<Body<C>>> {
    const bytes = encodeRequest(command, body, this.speech, payload);
    return this.exchange(bytes, (input) => this.#takeReply(input, command));
  }

  /**
   * The same for a request whose reply nobody waits for: it goes out in one write with the next one, or else as soon as
   * there is nothing more urgent to do, such as telling the application that it may go on.
   */
  requestSoon<C extends Command>(command: C, body: Body<C>): Promise<Reply<Body<C>>> {
    if (this.#end) return Promise.reject(this.#end);
    const reply = this.#expect((input) => this.#takeReply(input, command));
    if (this.#held.push(encodeRequest(command, body, this.speech)) === 1)
      setImmediate(() => this.#flush());
    return reply;
  }

  /**
   * Sends ready-made bytes and resolves with what `take` makes of the answer.
   *
   * @throws as {@link request}, and whatever `take` throws, which ends the connection.
   */
  exchange<T>(bytes: Uint8Array, take: (input: ByteQueue) => T | undefined): Promise<T> {
    if (this.#expected.length === 0 && this.#input.length > 0) this.#fail(UNASKED);
    if (this.#end) return Promise.reject(this.#end);
    const reply = this.#expect(take);
    this.#write(bytes);
    return reply;
  }

  /** Resolves with what comes next, unasked: an event. */
  expect<T>(take: (input: ByteQueue) => T | undefined): Promise<T> {
    if (this.#end) return Promise.reject(this.#end);
    const event = this.#expect(take);
    this.#drain();
    return event;
  }

  /** Hangs up. What was written before still reaches the daemon; replies that are to come are lost. */
  close(): void {
    if (this.#end) return;
    this.#flush();
    this.#socket.end();
    this.#socket.destroySoon();
    this.#fail("the connection to pcscd was closed");
  }

  /**
   * Hangs up when all that was asked is answered: what is under way would else go on in the daemon, and be taken for done
   * here. After 5 s in any case. Never rejects.
   */
  async closeAnswered(): Promise<void> {
    const late = setTimeout(() => this.close(), LAST_ANSWER_MS);
    late.unref();
    await this.expect(() => NOTHING).catch(() => {}); // it ended by itself
    clearTimeout(late);
    this.close();
  }

  /**
   * A result is 0 or one of PC/SC's; anything else is none, and the answers are out of step with the requests. Whoever
   * agrees on a version judges that answer.
   */
  #takeReply<C extends Command>(input: ByteQueue, command: C): Reply<Body<C>> | undefined {
    const reply = takeReply(input, command, this.speech);
    if (!reply || command === Command.Version) return reply;
    const { rv } = reply.body as { readonly rv: number }; // as each struct that is answered with itself has
    if (!isReturnCode(rv)) throw new ProtocolError(`${rv} is no result of ${calls[command].name}`);
    return reply;
  }

  #expect<T>(take: (input: ByteQueue) => T | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#expected.push({ take, resolve: resolve as (reply: unknown) => void, reject });
    });
  }

  #write(bytes: Uint8Array): void {
    const held = this.#held.splice(0);
    this.#socket.write(held.length === 0 ? bytes : Buffer.concat([...held, bytes]));
  }

  #flush(): void {
    if (this.#held.length > 0 && !this.#end) this.#write(NOTHING);
  }

  #read(chunk: Uint8Array): void {
    if (this.#end) return; // nobody takes it any more
    this.#input.push(chunk);
    this.#drain();
    // An event may come before anybody has had the time to expect it; anything longer is no event.
    if (this.#expected.length === 0 && this.#input.length > Event.size) this.#fail(UNASKED);
  }

  #drain(): void {
    try {
      for (let first = this.#expected[0]; first; first = this.#expected[0]) {
        const reply = first.take(this.#input);
        if (reply === undefined) return;
        this.#expected.shift();
        first.resolve(reply);
      }
    } catch (cause) {
      this.#fail("pcscd sent something that makes no sense", cause);
    }
  }

  #fail(message: string, cause?: unknown): void {
    if (this.#end) return;
    this.#end = CardwireError.is(cause)
      ? cause
      : new CardwireError("E_PCSCD_GONE", message, { cause });
    // One that sends nonsense need not have read what we wrote, and would be waited for without limit.
    if (!this.#socket.writableEnded) this.#socket.destroy();
    for (const { reject } of this.#expected.splice(0)) reject(this.#end);
    this.#closed.resolve(this.#end);
  }
}
