import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { type Body, encodeFrame, type Frame, Reason, Type } from "../wire/link/frames.ts";
import { ID_BYTES, SECRET_BYTES } from "../wire/link/layouts.ts";
import { LinkEnd, type SessionFrame } from "./end.ts";
import { FrameStream } from "./frame-stream.ts";
import type { Patience } from "./hall.ts";
import { isProof, prove } from "./proof.ts";
import { FEATURES, HIGHEST, LOWEST } from "./versions.ts";

/** How long the other end may take to answer the first frame of a connection, ms. */
const ANSWER_MS = 8_000;
/** Pauses between attempts to come back, ms: doubled from the first up to the last. */
const RETRY_MS = { first: 50, last: 1_000 };

/** How long the other end may take to hear that the session is over, ms. Else it keeps it for its patience. */
const LAST_WORDS_MS = 1_000;

export interface LinkClientOptions {
  /** Makes a connection. Waits while there is no line. @throws {CardwireError} when there can be none. */
  readonly dial: (options: { signal: AbortSignal }) => Promise<Duplex>;
  /** What the other end knows us by; made up where nothing was agreed on. */
  readonly secret?: Uint8Array | undefined;
  /** What is asked for; the other end may grant less. */
  readonly patience: Patience;
  /** Who we are, for people. */
  readonly about: string;
  readonly owner: LinkClientOwner;
}

export interface LinkClientOwner {
  /** Gets each frame of the session. @throws {ProtocolError} to end it. */
  frame(frame: SessionFrame): void;
  /** The connection broke, and is being made again. */
  down(reason: unknown): void;
  /** There is one again. */
  up(): void;
  /** The session is over. Called once. */
  over(reason: CardwireError): void;
}

/** What the other end granted. */
export type Granted = Body<typeof Type.Opened> & { readonly server: string };

/** The end of a session that makes its connections. */
export class LinkClient {
  readonly end: LinkEnd;
  readonly #options: LinkClientOptions;
  readonly #id = randomBytes(ID_BYTES);
  readonly #secret: Uint8Array;
  readonly #life = new AbortController();
  #granted: Granted | undefined;
  #attempt = 0;
  #resumptions = 0;
  #isOver = false;
  #comingBack: Promise<void> = Promise.resolve();

  /** Use {@link openLink}. */
  constructor(options: LinkClientOptions) {
    this.#options = options;
    this.#secret = options.secret ?? randomBytes(SECRET_BYTES);
    const { owner } = options;
    this.end = new LinkEnd({
      frame: (frame) => owner.frame(frame),
      down: (reason) => {
        owner.down(reason);
        this.#comingBack = this.#comeBack(reason);
      },
      over: (reason) => this.#finish(reason),
    });
  }

  /** What the other end granted. */
  get granted(): Granted {
    if (!this.#granted) throw new TypeError("the link is not open yet");
    return this.#granted;
  }

  /** How often the session went on after a break. */
  get resumptions(): number {
    return this.#resumptions;
  }

  /** @throws {CardwireError} why there is no session. */
  async open(signal: AbortSignal): Promise<void> {
    const { about, patience } = this.#options;
    const greeting = encodeFrame(
      Type.Open,
      {
        lowest: LOWEST,
        highest: HIGHEST,
        features: FEATURES,
        ...patience,
        session: this.#id,
        secret: this.#secret,
      },
      Buffer.from(about),
    );
    const { frames, answer } = await this.#dial(greeting, signal);
    if (answer.type !== Type.Opened) {
      frames.cut(new ProtocolError("the other end answers something else"));
      throw refusal(answer);
    }
    const server = Buffer.from(answer.tail).toString("utf8");
    this.#granted = { ...answer.body, server };
    this.end.attach(frames, 0);
  }

  /** Ends the session at both ends, and waits a moment until the other one knows: the way there may end next. */
  async close(): Promise<void> {
    this.#isOver = true;
    const stream = this.end.close("the other cardwire ended");
    this.#life.abort(new CardwireError("E_CLOSED", "the link was closed"));
    await this.#comingBack;
    await stream?.gone(LAST_WORDS_MS);
  }

  /** Tries again until the session goes on, or its time is over. Never rejects. */
  async #comeBack(reason: unknown): Promise<void> {
    const graceMs = Math.min(this.granted.graceMs, this.#options.patience.graceMs);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), graceMs);
    timer.unref();
    using either = firstSignal(this.#life.signal, late.signal);
    try {
      for (let pause = RETRY_MS.first; ; pause = Math.min(pause * 2, RETRY_MS.last)) {
        try {
          if (await this.#resume(either.signal)) return;
          break;
        } catch (error) {
          if (either.signal.aborted || error instanceof ProtocolError) break;
        }
        await sleep(pause, undefined, { signal: either.signal }).catch(() => {}); // then the next attempt fails
      }
    } finally {
      clearTimeout(timer);
    }
    const cause = CardwireError.is(reason) ? reason.message : String(reason);
    this.#finish(new CardwireError("E_LINE_DOWN", `the link could not be resumed: ${cause}`));
  }

  /** @returns false when the other end has no such session any more. */
  async #resume(signal: AbortSignal): Promise<boolean> {
    this.#attempt += 1;
    const session = this.#id;
    const attempt = this.#attempt;
    const { received } = this.end;
    const proof = prove(this.#secret, { by: "client", session, attempt, received });
    const greeting = encodeFrame(Type.Resume, { session, attempt, received, proof });
    const { frames, answer } = await this.#dial(greeting, signal);
    if (answer.type === Type.Refused) {
      frames.cut(refusal(answer));
      return false;
    }
    if (answer.type !== Type.Resumed) {
      frames.cut(new ProtocolError("the other end answers something else"));
      throw refusal(answer);
    }
    const told = answer.body.received;
    const claim = { by: "server", session, attempt, received: told } as const;
    if (!isProof(answer.body.proof, this.#secret, claim)) {
      frames.cut(new ProtocolError("somebody else answers"));
      throw new ProtocolError("who answered does not have the session's secret");
    }
    this.end.attach(frames, told);
    this.#resumptions += 1;
    if (this.end.isUp) this.#options.owner.up(); // else it broke again already
    return true;
  }

  /** Connects, says `greeting`, and waits for what comes back. */
  async #dial(
    greeting: Uint8Array,
    signal: AbortSignal,
  ): Promise<{ readonly frames: FrameStream; readonly answer: Frame }> {
    const frames = new FrameStream(await this.#options.dial({ signal }));
    frames.write(greeting);
    let timer: NodeJS.Timeout | undefined;
    const abort = () => frames.cut(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    const answer = new Promise<Frame>((resolve, reject) => {
      // One frame is taken; what comes behind it is for whoever gets the stream next.
      frames.handTo({
        frame: (frame) => {
          frames.hold();
          resolve({ ...frame, tail: new Uint8Array(frame.tail) });
        },
        ended: reject,
      });
      timer = setTimeout(() => {
        const silent = new CardwireError("E_LINE_DOWN", "the other end does not answer");
        frames.cut(silent);
        reject(silent);
      }, ANSWER_MS);
    });
    try {
      return { frames, answer: await answer };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  #finish(reason: CardwireError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.owner.over(reason);
  }
}

/** Opens a session. @throws {CardwireError} why there is none. */
export async function openLink(
  options: LinkClientOptions,
  { signal }: { signal: AbortSignal },
): Promise<LinkClient> {
  const client = new LinkClient(options);
  await client.open(signal);
  return client;
}

function refusal(answer: Frame): CardwireError {
  if (answer.type !== Type.Refused)
    return new ProtocolError("the other end does not speak the link's protocol");
  const why = Buffer.from(answer.tail).toString("utf8");
  if (answer.body.reason === Reason.Denied)
    return new CardwireError("E_DENIED", `the card host refuses the link: ${why}`, {
      hint: "Ask for another invitation: 'cardwire invite NAME' makes it on the card host.",
    });
  const hint =
    answer.body.reason === Reason.Version
      ? "Install the same release of cardwire at both ends."
      : undefined;
  return new CardwireError("E_LINK", `the other cardwire refuses the link: ${why}`, { hint });
}
