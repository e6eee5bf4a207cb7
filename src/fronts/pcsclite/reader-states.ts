import { Rv } from "../../domain/return-codes.ts";
import { type Request, replyKind } from "../../wire/pcsclite/calls.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import type { FixedSlots } from "../../wire/pcsclite/dialects.ts";
import {
  encodeEvent,
  encodeReaderEvents,
  encodeSize,
  type Speech,
} from "../../wire/pcsclite/replies.ts";
import type { ReadersView } from "./readers-view.ts";
import { Registration } from "./registration.ts";
import { type SlotArray, slotCount } from "./slots.ts";

/** The requests that are about the readers and their states, and about waiting for these to change. */
export type ReaderRequest = Extract<
  Request,
  {
    readonly command:
      | typeof Command.GetReadersState
      | typeof Command.GetReadersStateArray
      | typeof Command.GetReadersStateSize
      | typeof Command.GetReaderEvents
      | typeof Command.WaitReaderStateChange
      | typeof Command.StopWaitingReaderStateChange;
  }
>;

/** Whose requests they are. */
export interface Listener {
  /** How it speaks now. */
  readonly speech: () => Speech;
  /** Slots of the fixed array that it expects. */
  readonly slots: () => FixedSlots | Promise<FixedSlots>;
  /** Readers that it has handles on. */
  readonly held: () => readonly string[];
  /** The readers that another connection of the same program was shown. */
  readonly elsewhere: () => readonly string[] | undefined;
  readonly send: (bytes: Uint8Array) => void;
}

/** What one application is told of the readers: the arrays, and the events that end its waiting. */
export class ReaderStates {
  readonly #view: ReadersView;
  readonly #slotArray: SlotArray;
  readonly #to: Listener;
  readonly #registration = new Registration();
  /** The view's version when the last array went out. */
  #shown = 0;
  #slots: FixedSlots | undefined;
  #listed: readonly string[] | undefined;
  #listedBefore: readonly string[] | undefined;

  constructor(to: Listener, around: { view: ReadersView; slotArray: SlotArray }) {
    this.#to = to;
    this.#view = around.view;
    this.#slotArray = around.slotArray;
  }

  /** The readers that it was last shown. */
  get listed(): readonly string[] | undefined {
    return this.#listed;
  }

  /** The readers changed: ends this application's waiting. */
  changed(): void {
    if (this.#registration.notify(Rv.Success)) this.#sendEvent(Rv.Success);
  }

  /** SCardCancel from another connection. */
  cancel(): void {
    if (this.#registration.notify(Rv.Cancelled)) this.#sendEvent(Rv.Cancelled);
  }

  /**
   * A STATUS request came: the array before it was SCardStatus's, not a list that the application saw, and what it knows
   * of are the readers of the list before.
   */
  wasStatus(): void {
    this.#listed = this.#listedBefore;
  }

  /** Replies to one request, at once or when the returned promise resolves. */
  answer({ command }: ReaderRequest): Promise<void> | void {
    const { dialect, order } = this.#to.speech();
    switch (command) {
      case Command.GetReadersState:
      case Command.GetReadersStateArray:
      case Command.WaitReaderStateChange:
        return this.#whenReady(command);
      case Command.GetReadersStateSize:
        return this.#to.send(encodeSize(slotCount(dialect), order));
      case Command.GetReaderEvents:
        return this.#whenReady(command);
      case Command.StopWaitingReaderStateChange: {
        const rv = this.#registration.stop();
        return rv === undefined ? undefined : this.#sendEvent(rv);
      }
    }
  }

  /** Once the readers are known to be true, and how many slots it expects. */
  #whenReady(command: ReaderRequest["command"]): Promise<void> | void {
    if (this.#view.isReady && this.#slots !== undefined) return this.#reply(command);
    return this.#prepare().then(() => this.#reply(command));
  }

  async #prepare(): Promise<void> {
    this.#slots ??= await this.#to.slots();
    await this.#view.ready;
  }

  #reply(command: ReaderRequest["command"]): void {
    const { dialect, order } = this.#to.speech();
    if (command === Command.GetReaderEvents)
      return this.#to.send(encodeReaderEvents(this.#view.readerEvents, order));
    const hasArray = replyKind(command, dialect) === "array";
    if (command === Command.WaitReaderStateChange) {
      // 4:6 clients fetch the array behind WAIT, and no event may come before it is out.
      this.#registration.register({ held: hasArray || dialect.slots === "list" });
      // Up to 4:3 they fetched it before, and what changed since would be missed.
      if (!this.#registration.isHeld && this.#shown !== this.#view.version) this.changed();
    }
    if (!hasArray) return;
    this.#shown = this.#view.version;
    this.#to.send(this.#array(command));
    if (command === Command.GetReadersState) return;
    const rv = this.#registration.arrayIsOut();
    if (rv !== undefined) this.#sendEvent(rv);
  }

  /**
   * A reader that a program waits on must not vanish from its slots, or SCardGetStatusChange fails: while it waits, it
   * is shown the readers that it found when it listed them. Each list is a new choice.
   */
  #array(command: ReaderRequest["command"]): Uint8Array {
    const speech = this.#to.speech();
    // Only GET_READERS_STATE_ARRAY goes by GET_READERS_STATE_SIZE; the other arrays are of fixed length in any dialect.
    const isList = command === Command.GetReadersStateArray;
    const slots = isList ? slotCount(speech.dialect) : (this.#slots ?? 0);
    const isWait = command === Command.WaitReaderStateChange;
    const kept = isWait ? (this.#listed ?? this.#to.elsewhere() ?? []) : [];
    const whose = { speech, held: this.#to.held(), kept };
    const { bytes, names } = this.#slotArray(this.#view.readers, slots, whose);
    this.#listedBefore = isWait ? names : this.#listed;
    this.#listed = names;
    return bytes;
  }

  #sendEvent(rv: number): void {
    const { dialect, order } = this.#to.speech();
    // An event may cross a GET_READER_EVENTS request; with the counter in it, the client reads the right number either way.
    const timeOut = dialect.readerEvents ? this.#view.readerEvents : 0;
    this.#to.send(encodeEvent({ timeOut, rv }, order));
  }
}
