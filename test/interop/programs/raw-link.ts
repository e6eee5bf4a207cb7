import { randomBytes } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Credentials } from "../../../src/carriers/tls/authority.ts";
import { dialTls } from "../../../src/carriers/tls/dial.ts";
import { Protocol } from "../../../src/carriers/tls/protocols.ts";
import type { JoinedHost } from "../../../src/joined/hosts.ts";
import { prove } from "../../../src/link/proof.ts";
import { FEATURES } from "../../../src/link/versions.ts";
import {
  type Body,
  type CallType,
  encodeFrame,
  type Frame,
  FrameDecoder,
  Reason,
  Type,
} from "../../../src/wire/link/frames.ts";
import { until } from "../../lab/processes.ts";

const PATIENCE = { graceMs: 60_000, lockMs: 30_000 };

/** By which a session is known. */
export interface SessionId {
  readonly session: Uint8Array;
  readonly secret: Uint8Array;
}

/** A link as somebody has it who keeps to no rules: he sends what he likes, in any order. */
export class RawLink implements Disposable, SessionId {
  readonly session: Uint8Array;
  readonly secret: Uint8Array;
  /** What came, but for pings, which are answered. */
  readonly heard: Frame[] = [];
  readonly #stream: TLSSocket;
  readonly #ended: Promise<void>;
  #calls = 0;
  isOver = false;

  /** Use {@link dialRaw}. */
  constructor(stream: TLSSocket, { session, secret }: SessionId) {
    this.#stream = stream;
    this.session = session;
    this.secret = secret;
    const decoder = new FrameDecoder();
    stream.on("data", (chunk: Uint8Array) => {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) this.#hear(frame);
    });
    this.#ended = new Promise((resolve) => {
      stream.once("close", () => {
        this.isOver = true;
        resolve();
      });
    });
  }

  /** Resolves when the other end has hung up. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  write(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  send<T extends Type>(type: T, body: Body<T>, tail?: Uint8Array): void {
    this.write(encodeFrame(type, body, tail));
  }

  /** Reads nothing from now on. */
  pause(): void {
    this.#stream.pause();
  }

  async open(): Promise<Frame> {
    const { session, secret } = this;
    this.send(Type.Open, {
      lowest: 1,
      highest: 1,
      features: FEATURES,
      ...PATIENCE,
      session,
      secret,
    });
    return await this.answer(Type.Opened, Type.Refused);
  }

  async resume(of: SessionId, attempt: number, secret = of.secret): Promise<Frame> {
    const claim = { session: of.session, attempt, received: 0 };
    this.send(Type.Resume, { ...claim, proof: prove(secret, { by: "client", ...claim }) });
    return await this.answer(Type.Resumed, Type.Refused);
  }

  /** The first frame of these kinds that came. */
  async answer(...types: readonly Type[]): Promise<Frame> {
    return await until("a frame", () => this.heard.find(({ type }) => types.includes(type)));
  }

  /** Makes a call. @returns its number. */
  tell<T extends CallType>(
    type: T,
    body: Omit<Body<T>, "call" | "flags">,
    tail?: Uint8Array,
  ): number {
    this.#calls += 1;
    const call = this.#calls;
    this.send(type, { ...body, call, flags: 0 } as unknown as Body<T>, tail);
    return call;
  }

  /** Makes a call, and waits for what it came to. */
  async call<T extends CallType>(
    type: T,
    body: Omit<Body<T>, "call" | "flags">,
    tail?: Uint8Array,
  ) {
    const call = this.tell(type, body, tail);
    return await until("an answer", () => this.resultOf(call));
  }

  resultOf(call: number): { readonly rv: number; readonly data: Uint8Array } | undefined {
    for (const frame of this.heard)
      if (frame.type === Type.Result && frame.body.call === call)
        return { rv: frame.body.rv, data: frame.tail };
    return undefined;
  }

  /** Ends the session, so that it does not wait for another connection, unless nothing is read. */
  [Symbol.dispose](): void {
    this.send(Type.Close, { reason: Reason.Closed });
    this.#stream.end();
    setTimeout(() => this.#stream.destroy(), 100).unref();
  }

  #hear(frame: Frame): void {
    if (frame.type === Type.Ping) this.send(Type.Pong, frame.body);
    else this.heard.push({ ...frame, tail: new Uint8Array(frame.tail) });
  }
}

/** Connects, and says nothing yet. @param credentials the host's own unless told. */
export async function dialRaw(
  host: JoinedHost,
  {
    credentials = host.credentials,
    id = { session: randomBytes(16), secret: randomBytes(32) },
  }: { readonly credentials?: Credentials | undefined; readonly id?: SessionId } = {},
): Promise<RawLink> {
  const signal = AbortSignal.timeout(20_000);
  const { stream } = await dialTls(host, Protocol.Link, { credentials, signal });
  return new RawLink(stream, id);
}
