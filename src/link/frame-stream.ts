import type { Duplex } from "node:stream";
import { deferred } from "../domain/deferred.ts";
import { CardwireError } from "../domain/errors.ts";
import { type Frame, FrameDecoder } from "../wire/link/frames.ts";

/**
 * How long what nobody waits for may be held back, ms: a program that goes on without an answer mostly makes its next
 * call at once, and each write wakes two ssh and the other end.
 */
const SOON_MS = 1;

/** Most bytes that wait for the other end to read them; one that never reads is given up. */
const MAX_UNREAD = 8 << 20;

const NOTHING = new Uint8Array(0);

/** The other end does not read what it asked for. */
export class Unread extends CardwireError {
  constructor() {
    super("E_LINE_DOWN", "the other end does not read");
  }
}

export interface FrameStreamOwner {
  /** Gets each frame. What it throws ends the stream. */
  frame(frame: Frame): void;
  /** The stream is at its end, for whatever reason. Called once. */
  ended(reason: unknown): void;
}

/** A byte stream as frames, in both directions. */
export class FrameStream {
  readonly #stream: Duplex;
  readonly #decoder = new FrameDecoder();
  #owner: FrameStreamOwner | undefined;
  /** What {@link writeSoon} holds back, and since when, as performance.now() counts. */
  #held: Uint8Array[] = [];
  #heldSince = 0;
  #isFlushing = false;
  #end: { readonly reason: unknown } | undefined;
  /** When bytes last came, as performance.now() counts. */
  heardAt = performance.now();

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on("data", (chunk: Uint8Array) => this.#read(chunk));
    stream.on("error", (cause) => this.#finish(cause));
    stream.on("end", () => this.#finish(new CardwireError("E_LINE_DOWN", "the other end hung up")));
    stream.on("close", () => this.#finish(new CardwireError("E_LINE_DOWN", "the line ended")));
    stream.pause();
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** Frames go to `owner` from now on; until there is one, nothing is read. */
  handTo(owner: FrameStreamOwner): void {
    this.#owner = owner;
    if (this.#end) return owner.ended(this.#end.reason);
    this.#drain();
    this.#stream.resume();
  }

  /** Takes it from its owner again: nothing is read until there is another. */
  hold(): void {
    this.#owner = undefined;
    this.#stream.pause();
  }

  write(frame: Uint8Array): void {
    if (this.#end) return;
    const held = this.#held;
    this.#held = [];
    this.#stream.write(held.length === 0 ? frame : Buffer.concat([...held, frame]));
    if (this.#stream.writableLength > MAX_UNREAD) this.close(new Unread());
  }

  /** The same for what nobody waits for: in one write with the next frame, or a moment later. */
  writeSoon(frame: Uint8Array): void {
    if (this.#end) return;
    if (this.#held.length === 0) this.#heldSince = performance.now();
    this.#held.push(frame);
    if (!this.#isFlushing) this.#flushLater();
  }

  /** A timer that is running already may be too early for what is held now: then there is another. */
  #flushLater(): void {
    this.#isFlushing = true;
    setTimeout(() => {
      this.#isFlushing = false;
      if (this.#held.length === 0) return;
      if (performance.now() - this.#heldSince < SOON_MS / 2) this.#flushLater();
      else this.write(NOTHING);
    }, SOON_MS);
  }

  /** Hangs up. What was written before still goes out, if the other end reads it. */
  close(reason: unknown): void {
    if (this.#end) return;
    if (this.#held.length > 0) this.write(NOTHING);
    this.#stream.end();
    this.#finish(reason);
  }

  /** Resolves when the other end has hung up, too, or after `limitMs`. */
  async gone(limitMs: number): Promise<void> {
    if (this.#stream.closed) return;
    const gone = deferred();
    this.#stream.once("close", gone.resolve);
    const late = setTimeout(gone.resolve, limitMs);
    await gone.promise;
    clearTimeout(late);
  }

  /** Hangs up at once. */
  cut(reason: unknown): void {
    this.#stream.destroy();
    this.#finish(reason);
  }

  #read(chunk: Uint8Array): void {
    if (this.#end) return;
    this.heardAt = performance.now();
    this.#decoder.push(chunk);
    this.#drain();
  }

  #drain(): void {
    try {
      while (this.#owner && !this.#end) {
        const frame = this.#decoder.next();
        if (!frame) return;
        this.#owner.frame(frame);
      }
    } catch (error) {
      this.cut(error);
    }
  }

  #finish(reason: unknown): void {
    if (this.#end) return;
    this.#end = { reason };
    this.#held = [];
    if (this.#stream.writableEnded) setTimeout(() => this.#stream.destroy(), LINGER_MS).unref();
    else this.#stream.destroy();
    this.#owner?.ended(reason);
  }
}

/** How long last words may take to be read, ms. */
const LINGER_MS = 2_000;
