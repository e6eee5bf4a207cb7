import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { Backlog } from "../wire/link/backlog.ts";
import {
  type Body,
  type ConnectionType,
  encodeFrame,
  type Frame,
  isOfConnection,
  nameOfType,
  Reason,
  Type,
} from "../wire/link/frames.ts";
import type { FrameStream } from "./frame-stream.ts";
import { LOOK_MS, lookRegularly } from "./looks.ts";

/** So many frames, or bytes, are acknowledged at once; fewer at the next look. */
const ACKNOWLEDGE = { frames: 16, bytes: 1 << 16 };
/** How long nothing may come before it is asked for a sign of life, ms: while an answer is wanted, and otherwise. */
const QUIET_MS = { wanted: 1_000, idle: 5_000 };
/** How long such a sign may take, ms. A frame of 64 KiB must get through before it. */
const SILENCE_MS = 5_000;
/** A look that is late by so much says that this computer slept, ms: its network may be another one by now. */
const SLEPT_MS = 3_000;
/** How long a sign of life may take then, ms, or so many round trips. */
const AWAKE = { silenceMs: 1_500, roundTrips: 4 };
/** What may wait to be acknowledged, bytes: more says that the other end takes no notice. */
const MAX_BACKLOG = 16 << 20;

/** A frame that belongs to the session and not to one connection. */
export type SessionFrame = Frame<Exclude<Type, ConnectionType>>;
export interface LinkEndOwner {
  /** Gets each frame of the session, in order, each once. @throws {ProtocolError} to end the session. */
  frame(frame: SessionFrame): void;
  /** The connection broke; another one may take its place. */
  down(reason: unknown): void;
  /** The session is over: the other end closed it, or broke the protocol. */
  over(reason: CardwireError): void;
}

/**
 * One end of a session: an exactly-once ordered stream of frames that survives its connections. Who makes connections,
 * and how long the session waits for one, is its owner's affair.
 */
export class LinkEnd {
  readonly #owner: LinkEndOwner;
  readonly #backlog = new Backlog();
  #stream: FrameStream | undefined;
  #untold = { frames: 0, bytes: 0 };
  #stopLooking = (): void => {};
  #ping: { readonly token: number; readonly at: number; readonly limitMs: number } | undefined;
  /** When it was last looked, by the clock that goes on during sleep. */
  #lookedAt = 0;
  #pings = 0;
  #roundTripMs: number | undefined;
  #isOver = false;
  readonly #drained = new Set<() => void>();

  constructor(owner: LinkEndOwner) {
    this.#owner = owner;
  }

  get isUp(): boolean {
    return this.#stream !== undefined;
  }

  /** How many of the other end's frames arrived, to be told when a session is resumed. */
  get received(): number {
    return this.#backlog.received;
  }

  /** Frames that the other end may not have yet. */
  get unacknowledged(): number {
    return this.#backlog.length;
  }

  /** Their bytes. */
  get unacknowledgedBytes(): number {
    return this.#backlog.bytes;
  }

  /** The latest round trip, ms; undefined until one was measured. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /**
   * A connection to the other end is there. What it has not received is sent again.
   *
   * @param received how many frames it says it has.
   * @param first goes out before them, in the same write: the answer that made the connection one.
   * @throws {ProtocolError} when it cannot have so many; the stream is then cut.
   */
  attach(stream: FrameStream, received: number, first?: Uint8Array): void {
    if (this.#isOver) return stream.cut(new CardwireError("E_CLOSED", "the session is over"));
    try {
      this.#backlog.acknowledge(received);
    } catch (error) {
      stream.cut(error);
      throw error;
    }
    this.#wake();
    const before = this.#stream;
    this.#stream = stream; // first, so that the end of the one before is no news to anybody
    this.#stopLooking();
    before?.cut(new CardwireError("E_LINE_DOWN", "another connection took its place"));
    this.#untold = { frames: 0, bytes: 0 };
    const again = Buffer.concat([...(first ? [first] : []), ...this.#backlog]);
    if (again.length > 0) stream.write(again);
    this.#lookedAt = Date.now();
    this.#stopLooking = lookRegularly(() => this.#look(stream));
    stream.handTo({
      frame: (frame) => {
        if (this.#stream === stream) this.#take(frame);
      },
      ended: (reason) => this.#lose(stream, reason),
    });
    this.#askForSign(stream);
  }

  /** Sends a frame of the session, now or after the next break. */
  send<T extends SessionFrame["type"]>(
    type: T,
    body: Body<T>,
    tail?: Uint8Array,
    { soon = false }: { readonly soon?: boolean } = {},
  ): void {
    if (this.#isOver) return;
    const frame = encodeFrame(type, body, tail);
    this.#backlog.push(frame);
    if (this.#backlog.bytes > MAX_BACKLOG) {
      this.#finish(new ProtocolError("the other end acknowledges nothing"), Reason.Protocol);
      return;
    }
    if (soon) this.#stream?.writeSoon(frame);
    else this.#stream?.write(frame);
  }

  /** Resolves when the other end has all but the last few frames, the session is over, or `signal` aborts. */
  async drained(most: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    while (!this.#isOver && !signal.aborted && this.#backlog.length > most)
      await new Promise<void>((resolve) => {
        const proceed = () => {
          this.#drained.delete(proceed);
          signal.removeEventListener("abort", proceed);
          resolve();
        };
        this.#drained.add(proceed);
        signal.addEventListener("abort", proceed, { once: true });
      });
  }

  /** The connection is of no more use: the next one is to be made. */
  cut(reason: unknown): void {
    this.#stream?.cut(reason);
  }

  /**
   * Ends the session at both ends.
   *
   * @returns the connection that carries the last words, if there is one.
   */
  close(why: string, reason: number = Reason.Closed): FrameStream | undefined {
    if (this.#isOver) return undefined;
    const stream = this.#stream;
    const words = encodeFrame(Type.Close, { reason }, Buffer.from(why.slice(0, 256)));
    this.#stream?.write(words);
    this.#isOver = true;
    stream?.close(new CardwireError("E_CLOSED", why));
    this.#wake();
    return stream;
  }

  #take(frame: Frame): void {
    if (isOfConnection(frame)) return this.#takeOwn(frame);
    this.#backlog.receive();
    this.#untold.frames += 1;
    this.#untold.bytes += frame.tail.length;
    if (frame.type === Type.Close) {
      const why = Buffer.from(frame.tail).toString("utf8");
      this.#finish(new CardwireError("E_CLOSED", why || "the other end closed the link"));
      return;
    }
    try {
      this.#owner.frame(frame);
    } catch (error) {
      const broken = CardwireError.is(error) ? error : new ProtocolError(String(error));
      this.#finish(broken, Reason.Protocol);
      return;
    }
    const { frames, bytes } = this.#untold;
    if (frames >= ACKNOWLEDGE.frames || bytes >= ACKNOWLEDGE.bytes) this.#acknowledge();
  }

  #takeOwn(frame: Frame<ConnectionType>): void {
    if (frame.type === Type.Acknowledge) {
      this.#backlog.acknowledge(frame.body.received);
      this.#wake();
    } else if (frame.type === Type.Ping) this.#stream?.write(encodeFrame(Type.Pong, frame.body));
    else if (frame.type === Type.Pong) {
      if (frame.body.token === this.#ping?.token)
        this.#roundTripMs = performance.now() - this.#ping.at;
      this.#ping = undefined;
    } else throw new ProtocolError(`${nameOfType(frame.type)} in the middle of a session`);
  }

  #acknowledge(): void {
    this.#untold = { frames: 0, bytes: 0 };
    this.#stream?.writeSoon(encodeFrame(Type.Acknowledge, { received: this.#backlog.received }));
  }

  #look(stream: FrameStream): void {
    if (this.#untold.frames > 0) this.#acknowledge();
    const hasSlept = Date.now() - this.#lookedAt > LOOK_MS + SLEPT_MS;
    this.#lookedAt = Date.now();
    if (hasSlept) {
      const { silenceMs, roundTrips } = AWAKE;
      this.#askForSign(stream, Math.max(silenceMs, roundTrips * (this.#roundTripMs ?? 0)));
      return;
    }
    const silent = performance.now() - stream.heardAt;
    const { at = 0, limitMs = 0 } = this.#ping ?? {};
    if (this.#ping && performance.now() - at > limitMs && silent > limitMs) {
      stream.cut(
        new CardwireError("E_LINE_DOWN", `nothing came for ${Math.round(silent / 1_000)} s`),
      );
      return;
    }
    const quiet = this.#backlog.length > 0 ? QUIET_MS.wanted : QUIET_MS.idle;
    if (!this.#ping && silent > quiet) this.#askForSign(stream);
  }

  #askForSign(stream: FrameStream, limitMs = SILENCE_MS): void {
    this.#pings = (this.#pings + 1) >>> 0;
    this.#ping = { token: this.#pings, at: performance.now(), limitMs };
    stream.write(encodeFrame(Type.Ping, { token: this.#pings }));
  }

  #lose(stream: FrameStream, reason: unknown): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#ping = undefined;
    this.#stopLooking();
    if (this.#isOver) return;
    // Frames that make no sense will make none when they are sent again.
    if (reason instanceof ProtocolError) this.#finish(reason);
    else this.#owner.down(reason);
  }

  #finish(why: CardwireError, told?: number): void {
    if (this.#isOver) return;
    if (told !== undefined) {
      const words = Buffer.from(why.message.slice(0, 256));
      this.#stream?.write(encodeFrame(Type.Close, { reason: told }, words));
    }
    this.#isOver = true;
    this.#stream?.close(why);
    this.#wake();
    this.#owner.over(why);
  }

  #wake(): void {
    for (const proceed of this.#drained) proceed();
  }
}
