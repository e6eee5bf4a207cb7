import { once } from "node:events";
import type { Socket } from "node:net";
import type { CardService } from "../../domain/card-service.ts";
import { CardwireError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { emit } from "../../observe/events.ts";
import { type Body, type Request, replyKind } from "../../wire/pcsclite/calls.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import type { FixedSlots } from "../../wire/pcsclite/dialects.ts";
import {
  encodeEvent,
  encodeReaderEvents,
  encodeReply,
  encodeSize,
  type Speech,
} from "../../wire/pcsclite/replies.ts";
import { MAX_REQUEST, RequestDecoder } from "../../wire/pcsclite/requests.ts";
import { type CardRequest, Cards } from "./cards.ts";
import { answerVersion } from "./handshake.ts";
import type { Numbers } from "./numbers.ts";
import type { ReadersView } from "./readers-view.ts";
import { Registration } from "./registration.ts";
import { type SlotArray, slotCount } from "./slots.ts";

/** The highest scope of SCardEstablishContext: SCARD_SCOPE_GLOBAL. */
const MAX_SCOPE = 3;
/** Bytes that wait for an application to read them; beyond that none of its requests is served until it has. */
const MAX_UNREAD = 1 << 20;

/** What an application has in common with the others on its socket. */
export interface Surroundings {
  readonly service: CardService;
  readonly view: ReadersView;
  readonly contexts: Numbers;
  readonly handles: Numbers;
  readonly slots: FixedSlots;
  readonly slotArray: SlotArray;
  /** Which of this socket's applications has that context. */
  readonly find: (context: number) => Application | undefined;
}

export interface Peer {
  /** Who it is, for logs and as principal of its card sessions. */
  readonly name: string;
  /** Absent where it cannot be found out. */
  readonly uid?: number;
  /** Why it is not served: the result that its VERSION request gets. */
  readonly refusal?: number;
}

/**
 * One application's connection, which is one SCARDCONTEXT: its requests are served one after the other, in order.
 * What is a matter of waiting, listing and book-keeping is answered here; only what concerns a card goes further.
 */
export class Application {
  readonly peer: Peer;
  readonly #socket: Socket;
  readonly #around: Surroundings;
  readonly #life = new AbortController();
  readonly #decoder = new RequestDecoder();
  readonly #registration = new Registration();
  readonly #cards: Cards;
  #context: number | undefined;
  #isBusy = false;
  #wasAskedDown = false;
  /** The view's version when the last array went out. */
  #shown = 0;

  constructor(socket: Socket, peer: Peer, around: Surroundings) {
    this.#socket = socket;
    this.peer = peer;
    this.#around = around;
    this.#cards = new Cards(around.service, {
      numbers: around.handles,
      principal: { name: peer.name },
      signal: this.#life.signal,
    });
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("end", () => this.#die());
    socket.on("close", () => this.#die());
    socket.on("error", () => this.#die()); // a client that dies at any moment is nothing to report
  }

  get context(): number | undefined {
    return this.#context;
  }

  /** Aborts when the application is gone. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** The readers changed: ends this application's waiting. */
  changed(): void {
    if (this.#registration.notify(Rv.Success)) this.#sendEvent(Rv.Success);
  }

  /** SCardCancel from another connection. */
  cancel(): void {
    if (this.#registration.notify(Rv.Cancelled)) this.#sendEvent(Rv.Cancelled);
  }

  /** Hangs up; its handles end as those of a dead client do. */
  close(): void {
    this.#die();
  }

  get #speech(): Speech {
    return { dialect: this.#decoder.dialect, order: this.#decoder.order };
  }

  #die(): void {
    if (this.#life.signal.aborted) return;
    this.#life.abort();
    this.#socket.destroy();
    if (this.#context !== undefined) this.#around.contexts.free(this.#context);
    this.#context = undefined;
    void this.#cards.abandon(); // never rejects; whoever dies does not wait
  }

  #read(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
    if (this.#decoder.buffered > MAX_REQUEST && this.#isBusy) this.#socket.pause();
    this.#serve();
  }

  /** Serves requests until one has to wait, or none is whole. */
  #serve(): void {
    try {
      while (!this.#isBusy && !this.#life.signal.aborted) {
        if (this.#socket.writableLength > MAX_UNREAD) return this.#wait(this.#drained());
        const request = this.#decoder.next();
        if (!request) break;
        const waiting = this.#answer(request);
        if (waiting) this.#wait(waiting);
      }
      if (!this.#isBusy && this.#socket.isPaused()) this.#socket.resume();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #wait(waiting: Promise<void>): void {
    this.#isBusy = true;
    waiting.then(
      () => {
        this.#isBusy = false;
        this.#serve();
      },
      (error: unknown) => this.#refuse(error),
    );
  }

  async #drained(): Promise<void> {
    // It rejects when the application is gone, and then nothing more is served.
    await once(this.#socket, "drain", { signal: this.signal }).catch(() => {});
  }

  #refuse(error: unknown): void {
    if (this.#life.signal.aborted) return;
    const reason = CardwireError.is(error) ? error.message : String(error);
    emit("cardwire:refused", () => ({ application: this.peer.name, reason }));
    this.#die();
  }

  /** Replies to one request, at once or when the returned promise resolves. @throws {ProtocolError} to hang up. */
  #answer(request: Request): Promise<void> | void {
    switch (request.command) {
      case Command.Version:
        return this.#version(request.body);
      case Command.EstablishContext:
        return this.#establish(request.body);
      case Command.ReleaseContext:
        return this.#release(request.body);
      case Command.Cancel:
        return this.#cancel(request.body);
      case Command.GetReadersState:
      case Command.GetReadersStateArray:
      case Command.WaitReaderStateChange:
        return this.#whenReady(() => this.#readers(request.command));
      case Command.GetReadersStateSize:
        return this.#send(encodeSize(slotCount(this.#decoder.dialect), this.#decoder.order));
      case Command.GetReaderEvents:
        return this.#whenReady(() =>
          this.#send(encodeReaderEvents(this.#around.view.readerEvents, this.#decoder.order)),
        );
      case Command.StopWaitingReaderStateChange: {
        const rv = this.#registration.stop();
        return rv === undefined ? undefined : this.#sendEvent(rv);
      }
      case Command.Connect:
        return this.#connect(request.body);
      case Command.Reconnect:
      case Command.Disconnect:
      case Command.BeginTransaction:
      case Command.EndTransaction:
      case Command.Transmit:
      case Command.Control:
      case Command.Status:
      case Command.GetAttrib:
      case Command.SetAttrib:
        return this.#card(request);
    }
  }

  #version(body: Body<typeof Command.Version>): void {
    const { dialect, ...answer } = answerVersion(body, {
      wasAskedDown: this.#wasAskedDown,
      slots: this.#around.slots,
    });
    this.#wasAskedDown ||= answer.rv === Rv.ServiceStopped;
    if (dialect) this.#decoder.dialect = dialect;
    const rv = this.peer.refusal ?? answer.rv;
    this.#send(encodeReply(Command.Version, { ...answer, rv }, this.#speech));
  }

  #establish(body: Body<typeof Command.EstablishContext>): void {
    const { scope } = body;
    const rv = this.peer.refusal ?? (scope > MAX_SCOPE ? Rv.InvalidValue : Rv.Success);
    if (rv === Rv.Success) {
      if (this.#context !== undefined) this.#around.contexts.free(this.#context);
      this.#context = this.#around.contexts.take();
    }
    const context = rv === Rv.Success ? (this.#context ?? 0) : 0;
    this.#send(encodeReply(Command.EstablishContext, { scope, context, rv }, this.#speech));
  }

  async #release(body: Body<typeof Command.ReleaseContext>): Promise<void> {
    const rv = this.#contextError(body.context);
    if (rv === undefined) {
      this.#around.contexts.free(body.context);
      this.#context = undefined;
      await this.#cards.abandon();
    }
    const reply = { ...body, rv: rv ?? Rv.Success };
    this.#send(encodeReply(Command.ReleaseContext, reply, this.#speech));
  }

  /** What a request gets that names another context than this connection's. */
  #contextError(context: number): number | undefined {
    if (this.#context === undefined) return Rv.InvalidHandle;
    return context === this.#context ? undefined : Rv.InvalidValue;
  }

  #cancel(body: Body<typeof Command.Cancel>): void {
    const target = this.#around.find(body.context);
    const isSameUser = target && [this.peer.uid, undefined].includes(target.peer.uid);
    if (isSameUser) target.cancel();
    const rv = isSameUser ? Rv.Success : Rv.InvalidHandle;
    this.#send(encodeReply(Command.Cancel, { ...body, rv }, this.#speech));
  }

  #readers(command: Command): void {
    const { view } = this.#around;
    const { dialect } = this.#decoder;
    const hasArray = replyKind(command, dialect) === "array";
    if (command === Command.WaitReaderStateChange) {
      // 4:6 clients fetch the array behind WAIT, and no event may come before it is out.
      this.#registration.register({ held: hasArray || dialect.slots === "list" });
      // Up to 4:3 they fetched it before, and what changed since would be missed.
      if (!this.#registration.isHeld && this.#shown !== view.version) this.changed();
    }
    if (!hasArray) return;
    this.#shown = view.version;
    // Only GET_READERS_STATE_ARRAY goes by GET_READERS_STATE_SIZE; the other arrays are of fixed length in any dialect.
    const isList = command === Command.GetReadersStateArray;
    const slots = isList ? slotCount(dialect) : this.#around.slots;
    this.#send(this.#around.slotArray(view.readers, slots, this.#speech));
    if (command === Command.GetReadersState) return;
    const rv = this.#registration.arrayIsOut();
    if (rv !== undefined) this.#sendEvent(rv);
  }

  async #connect(body: Body<typeof Command.Connect>): Promise<void> {
    const refused = this.#contextError(body.context);
    const reply =
      refused === undefined ? await this.#cards.connect(body) : { ...body, rv: refused };
    this.#send(encodeReply(Command.Connect, reply, this.#speech));
  }

  async #card(request: CardRequest): Promise<void> {
    this.#send(await this.#cards.reply(request, this.#speech));
  }

  #whenReady(answer: () => void): Promise<void> | void {
    const { view } = this.#around;
    if (view.isReady) return answer();
    return view.ready.then(answer);
  }

  #sendEvent(rv: number): void {
    // An event may cross a GET_READER_EVENTS request; with the counter in it, the client reads the right number either way.
    const timeOut = this.#decoder.dialect.readerEvents ? this.#around.view.readerEvents : 0;
    this.#send(encodeEvent({ timeOut, rv }, this.#decoder.order));
  }

  #send(bytes: Uint8Array): void {
    if (!this.#life.signal.aborted) this.#socket.write(bytes);
  }
}
