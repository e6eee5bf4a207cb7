import { timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import { oldestOfMost } from "../domain/crowd.ts";
import { CardwireError, ProtocolError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { type Body, encodeFrame, type Frame, Reason, Type } from "../wire/link/frames.ts";
import { LinkEnd, type LinkEndOwner } from "./end.ts";
import { FrameStream, Unread } from "./frame-stream.ts";
import { isProof, prove } from "./proof.ts";
import { refuse, textBytes } from "./refuse.ts";
import { agree } from "./versions.ts";

/** How long somebody who connects may take to say what for, ms. */
const GREETING_MS = 10_000;
/** Sessions at once, and connections that have not said what for. */
const MAX_SESSIONS = 4_000;
const MAX_GREETING = 100;
/** Such connections of one who is known. */
const MAX_GREETING_EACH = 20;

const CROWD = "too many connections that say nothing";

/** How long a session outlives its connection. */
export interface Patience {
  /** The session, with its handles, ms. */
  readonly graceMs: number;
  /** A transaction that it holds, ms. */
  readonly lockMs: number;
}

/** What serves one session. */
export interface Serving extends LinkEndOwner {
  /** A connection is there again. */
  up(): void;
  /** The time of transactions is over. */
  unlock(): void;
}

export interface HallOptions {
  /** What whoever opens a session must present, 32 bytes; undefined where the carrier vouches for them. */
  readonly secret?: Uint8Array | undefined;
  /** The most that a session may ask for. */
  readonly most: Patience;
  /** Sessions of one principal at once; as many as there may be at all unless told. */
  readonly mostEach?: ((principal: Principal) => number) | undefined;
  /** Which optional parts of the protocol are offered. */
  readonly features: number;
  /** Who we are, for people. */
  readonly about: () => string;
  /** Begins to serve a session. */
  readonly serve: (end: LinkEnd, agreed: Agreed) => Serving;
  /** There is one session fewer. */
  readonly left?: () => void;
  /** A session more than he may have was refused. */
  readonly refusedOne?: (principal: Principal) => void;
}

/** What holds for one session. */
export interface Agreed extends Patience {
  readonly version: number;
  readonly features: number;
  /** Who opened it, for people. */
  readonly client: string;
  /** Who it is, by the carrier's word; undefined where only a secret says that it may be here. */
  readonly principal?: Principal | undefined;
}

/** Is told why somebody who connected was sent away: he wants what is not his, or breaks the protocol. */
export type Refused = (reason: string) => void;

interface Session {
  readonly secret: Uint8Array;
  readonly id: Uint8Array;
  readonly end: LinkEnd;
  readonly serving: Serving;
  readonly agreed: Agreed;
  attempt: number;
  /** Of its latest connection. */
  refused: Refused;
  unlockTimer?: NodeJS.Timeout | undefined;
  graceTimer?: NodeJS.Timeout | undefined;
}

/** Where links arrive: opens sessions, gives them new connections, and ends those that nobody comes back to. */
export class Hall implements AsyncDisposable {
  readonly #options: HallOptions;
  readonly #sessions = new Map<string, Session>();
  /** With whom the carrier knows them to be of. */
  readonly #greeting = new Map<FrameStream, Principal | undefined>();

  constructor(options: HallOptions) {
    this.#options = options;
  }

  /** How many sessions there are, with or without a connection. */
  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Somebody connected.
   *
   * @param principal who it is, where the carrier knows. A session goes on only with the one who opened it.
   */
  accept(stream: Duplex, principal?: Principal, refused: Refused = () => {}): void {
    const frames = new FrameStream(stream);
    const caller = { principal, refused };
    if (!this.#makeRoomFor(principal)) {
      refused(CROWD);
      return frames.cut(new CardwireError("E_LINK", CROWD));
    }
    this.#greeting.set(frames, principal);
    const silent = new CardwireError("E_LINK", "it says nothing");
    const timer = setTimeout(() => frames.cut(silent), GREETING_MS);
    timer.unref();
    const done = () => {
      clearTimeout(timer);
      this.#greeting.delete(frames);
    };
    frames.handTo({
      frame: (frame) => {
        done();
        this.#greet(frames, frame, caller);
      },
      ended: (reason) => {
        done();
        if (isRefusal(reason)) refused(reason.message);
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const frames of this.#greeting.keys()) frames.cut(new Error("closed"));
    for (const session of this.#sessions.values())
      this.#end(session, new CardwireError("E_CLOSED", "cardwire ends at the other end"));
  }

  /** Ends the sessions of those who are meant, at both ends. */
  dismiss(isMeant: (principal: Principal) => boolean, reason: CardwireError): void {
    for (const session of this.#sessions.values()) {
      const { principal } = session.agreed;
      if (principal && isMeant(principal)) this.#end(session, reason);
    }
  }

  #sizeOf({ name }: Principal): number {
    let size = 0;
    for (const { agreed } of this.#sessions.values())
      if (agreed.principal?.name === name) size += 1;
    return size;
  }

  /** @returns whether it may come in; then it has a place, if need be that of the oldest of whoever has the most. */
  #makeRoomFor(principal: Principal | undefined): boolean {
    const all = [...this.#greeting].map(([frames, of]) => [frames, of?.name] as const);
    const same = all.filter(([, name]) => name === principal?.name);
    if (principal && same.length >= MAX_GREETING_EACH) return false;
    if (all.length >= MAX_GREETING) oldestOfMost(all)?.cut(new CardwireError("E_LINK", CROWD));
    return true;
  }

  #greet(frames: FrameStream, frame: Frame, caller: Caller): void {
    if (frame.type === Type.Open) this.#open(frames, frame, caller);
    else if (frame.type === Type.Resume) this.#resume(frames, frame.body, caller);
    else throw new ProtocolError("a link begins otherwise");
  }

  #open(
    frames: FrameStream,
    { body, tail }: Frame<typeof Type.Open>,
    { principal, refused }: Caller,
  ): void {
    const { secret, most, features, about } = this.#options;
    const id = keyOf(body.session);
    if (secret && !timingSafeEqual(secret, body.secret)) return refuse(frames, Reason.Proof);
    const version = agree(body);
    if (version === undefined) return refuse(frames, Reason.Version);
    if (this.#sessions.has(id)) return refuse(frames, Reason.Proof);
    if (this.#sessions.size >= MAX_SESSIONS) return refuse(frames, Reason.Full);
    const { mostEach, refusedOne } = this.#options;
    if (principal && mostEach && this.#sizeOf(principal) >= mostEach(principal)) {
      refusedOne?.(principal);
      const told = `${principal.name} has ${mostEach(principal)} links already`;
      return refuse(frames, Reason.Full, { told });
    }
    const agreed: Agreed = {
      version,
      features: body.features & features,
      graceMs: Math.min(body.graceMs, most.graceMs),
      lockMs: Math.min(body.lockMs, most.lockMs, body.graceMs),
      client: Buffer.from(tail).toString("utf8"),
      principal,
    };
    const session = this.#begin(body, agreed, refused);
    const { graceMs, lockMs } = agreed;
    const told = { version, features: agreed.features, graceMs, lockMs };
    session.end.attach(frames, 0, encodeFrame(Type.Opened, told, textBytes(about())));
    if (session.end.isUp) session.serving.up(); // else it broke already
  }

  #begin(
    { session: id, secret }: Pick<Body<typeof Type.Open>, "session" | "secret">,
    agreed: Agreed,
    refused: Refused,
  ): Session {
    // The two know each other: the end hands what comes to what serves it, which answers through the end.
    let serving: Serving | undefined;
    const end = new LinkEnd({
      frame: (frame) => serving?.frame(frame),
      down: (reason) => {
        serving?.down(reason);
        if (reason instanceof Unread) session.refused(reason.message);
        this.#wait(session);
      },
      over: (reason) => {
        if (isRefusal(reason)) session.refused(reason.message);
        this.#end(session, reason);
      },
    });
    serving = this.#options.serve(end, agreed);
    const session: Session = { id, secret, end, serving, agreed, attempt: 0, refused };
    this.#sessions.set(keyOf(id), session);
    return session;
  }

  #resume(
    frames: FrameStream,
    { session: id, attempt, received, proof }: Body<typeof Type.Resume>,
    { principal, refused }: Caller,
  ): void {
    const session = this.#sessions.get(keyOf(id));
    if (!session) return refuse(frames, Reason.Unknown);
    const owner = session.agreed.principal?.name;
    if (owner !== principal?.name)
      return refuse(frames, Reason.Unknown, { kept: `the session is that of ${owner}` });
    const { secret, end } = session;
    const isRight = isProof(proof, secret, { by: "client", session: id, attempt, received });
    if (!isRight || attempt <= session.attempt) return refuse(frames, Reason.Proof);
    session.attempt = attempt;
    session.refused = refused;
    clearTimeout(session.unlockTimer);
    clearTimeout(session.graceTimer);
    const told = { by: "server", session: id, attempt, received: end.received } as const;
    const answer = { received: end.received, proof: prove(secret, told) };
    try {
      end.attach(frames, received, encodeFrame(Type.Resumed, answer));
    } catch (error) {
      // Whoever knows the secret and has lost count will not find it again.
      if (CardwireError.is(error)) this.#end(session, error, Reason.Protocol);
      throw error;
    }
    if (end.isUp) session.serving.up();
  }

  #wait(session: Session): void {
    const { graceMs, lockMs } = session.agreed;
    clearTimeout(session.unlockTimer);
    clearTimeout(session.graceTimer);
    session.unlockTimer = setTimeout(() => session.serving.unlock(), lockMs);
    session.graceTimer = setTimeout(() => {
      const why = `nobody came back for ${Math.round(graceMs / 1_000)} s`;
      this.#end(session, new CardwireError("E_LINE_DOWN", why));
    }, graceMs);
  }

  /** @param told of {@link Reason}, to the other end, if it does not know yet that the session is over. */
  #end(session: Session, reason: CardwireError, told: number = Reason.Closed): void {
    if (!this.#sessions.delete(keyOf(session.id))) return;
    session.end.close(reason.message, told);
    clearTimeout(session.unlockTimer);
    clearTimeout(session.graceTimer);
    session.serving.over(reason);
    this.#options.left?.();
  }
}

interface Caller {
  readonly principal: Principal | undefined;
  readonly refused: Refused;
}

const keyOf = (id: Uint8Array): string => Buffer.from(id).toString("hex");

/** Whether somebody was sent away, and did not leave. */
const isRefusal = (reason: unknown): reason is CardwireError =>
  CardwireError.is(reason) && reason.code !== "E_LINE_DOWN" && reason.code !== "E_CLOSED";
