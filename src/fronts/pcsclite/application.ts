import { once } from "node:events";
import type { Socket } from "node:net";
import type { CardService } from "../../domain/card-service.ts";
import { CardwireError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { emit } from "../../observe/events.ts";
import type { Body, Request } from "../../wire/pcsclite/calls.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import type { FixedSlots } from "../../wire/pcsclite/dialects.ts";
import { encodeReply, type Speech } from "../../wire/pcsclite/replies.ts";
import { MAX_REQUEST, RequestDecoder } from "../../wire/pcsclite/requests.ts";
import { type CardRequest, Cards } from "./cards.ts";
import { answerVersion } from "./handshake.ts";
import type { Numbers } from "./numbers.ts";
import { ReaderStates } from "./reader-states.ts";
import type { ReadersView } from "./readers-view.ts";
import type { SlotArray } from "./slots.ts";

/** The highest scope of SCardEstablishContext: SCARD_SCOPE_GLOBAL. */
const MAX_SCOPE = 3;
/** Bytes that wait for an application to read them; beyond that none of its requests is served until it has. */
const MAX_UNREAD = 1 << 20;

/** Slots of the fixed array in all builds but Fedora's and its derivatives'. */
const DEFAULT_SLOTS = 16;

/** What an application has in common with the others on its socket. */
export interface Surroundings {
  readonly service: CardService;
  readonly view: ReadersView;
  readonly contexts: Numbers;
  readonly handles: Numbers;
  /** What was declared of all applications. */
  readonly slots: FixedSlots | undefined;
  readonly slotArray: SlotArray;
  /** Which of this socket's applications has that context. */
  readonly find: (context: number) => Application | undefined;
  /** The readers that another connection of the same process was shown. */
  readonly shownTo: (application: Application) => readonly string[] | undefined;
}

export interface Peer {
  /** Who it is, for logs and as principal of its card sessions. */
  readonly name: string;
  /** Absent where it cannot be found out. */
  readonly uid?: number;
  /** The process, likewise. */
  readonly pid?: number;
  /** Slots of the fixed array that its library expects; resolves with nothing where that cannot be found out. */
  readonly slots?: () => Promise<FixedSlots | undefined>;
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
  readonly #states: ReaderStates;
  readonly #cards: Cards;
  #context: number | undefined;
  #isBusy = false;
  #wasAskedDown = false;
  #slots: FixedSlots | Promise<FixedSlots> | undefined;

  constructor(socket: Socket, peer: Peer, around: Surroundings) {
    this.#socket = socket;
    this.peer = peer;
    this.#around = around;
    this.#cards = new Cards(around.service, {
      numbers: around.handles,
      principal: { name: peer.name },
      signal: this.#life.signal,
    });
    this.#states = new ReaderStates(
      {
        speech: () => this.#speech,
        slots: () => this.#fixedSlots(),
        held: () => this.#cards.readers,
        elsewhere: () => around.shownTo(this),
        send: (bytes) => this.#send(bytes),
      },
      around,
    );
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("end", () => this.#die());
    socket.on("close", () => this.#die());
    socket.on("error", () => this.#die()); // a client that dies at any moment is nothing to report
  }

  get context(): number | undefined {
    return this.#context;
  }

  /** The readers that it was last shown. */
  get shown(): readonly string[] | undefined {
    return this.#states.listed;
  }

  /** Aborts when the application is gone. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** The readers changed: ends this application's waiting. */
  changed(): void {
    this.#states.changed();
  }

  /** SCardCancel from another connection. */
  cancel(): void {
    this.#states.cancel();
  }

  /** Hangs up; its handles end as those of a dead client do. */
  close(): void {
    this.#die();
  }

  get #speech(): Speech {
    return { dialect: this.#decoder.dialect, order: this.#decoder.order };
  }

  /**
   * Slots of the fixed array that it expects: those that are declared, or else what is found out of its library, once;
   * and 16, as most are built, where nothing is.
   */
  #fixedSlots(): FixedSlots | Promise<FixedSlots> {
    const ask = async () => (await this.peer.slots?.()) ?? DEFAULT_SLOTS;
    this.#slots ??= this.#around.slots ?? ask();
    return this.#slots;
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
      case Command.GetReadersStateSize:
      case Command.GetReaderEvents:
      case Command.WaitReaderStateChange:
      case Command.StopWaitingReaderStateChange:
        return this.#states.answer(request);
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
      slots: this.#around.slots ?? DEFAULT_SLOTS,
    });
    this.#wasAskedDown ||= answer.rv === Rv.ServiceStopped;
    if (dialect) this.#decoder.dialect = dialect;
    // Found out while it goes on: nobody needs it before the first array.
    if (dialect && dialect.slots !== "list") void this.#fixedSlots();
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

  async #connect(body: Body<typeof Command.Connect>): Promise<void> {
    const refused = this.#contextError(body.context);
    const reply =
      refused === undefined ? await this.#cards.connect(body) : { ...body, rv: refused };
    this.#send(encodeReply(Command.Connect, reply, this.#speech));
  }

  async #card(request: CardRequest): Promise<void> {
    if (request.command === Command.Status) this.#states.wasStatus();
    this.#send(await this.#cards.reply(request, this.#speech));
  }

  #send(bytes: Uint8Array): void {
    if (!this.#life.signal.aborted) this.#socket.write(bytes);
  }
}
